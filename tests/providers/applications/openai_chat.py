"""Asks by `openai` from version 1 on: once, as a stream, and for an embedding; then leaves with a code of its own."""

import sys

from openai import OpenAI
from question import MODEL, QUESTION


def main():
    client = OpenAI()
    asked = [{"role": "user", "content": QUESTION}]
    print(client.chat.completions.create(model=MODEL, messages=asked).choices[0].message.content)
    # An option that the oldest version does not know yet.
    usage = {"stream_options": {"include_usage": True}}
    for chunk in client.chat.completions.create(model=MODEL, messages=asked, stream=True, extra_body=usage):
        print([choice.delta.content for choice in chunk.choices])
    print(client.embeddings.create(model=MODEL, input=QUESTION).data[0].embedding)
    return 3


if __name__ == "__main__":
    sys.exit(main())
