"""Has a `sitecustomize` of its own, and asks by `openai`."""

import sys

import sitecustomize
from openai_chat import main

if __name__ == "__main__":
    print(prepared, sitecustomize.__file__)  # noqa: F821
    sys.exit(main())
