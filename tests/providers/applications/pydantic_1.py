"""Has a pydantic of the time before version 2, and asks by `openai`."""

import sys

import pydantic
from openai_chat import main


class Settings(pydantic.BaseModel):
    """What version 2 would refuse."""

    name: str

    @pydantic.validator("name", always=True)
    def lower(cls, value):
        return value.lower()

    class Config:
        allow_mutation = False


if __name__ == "__main__":
    print(pydantic.VERSION.split(".")[0], Settings(name="Heron").json())
    sys.exit(main())
