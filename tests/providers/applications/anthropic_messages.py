"""Asks by `anthropic`: once, and as a stream."""

from anthropic import Anthropic
from question import MODEL, QUESTION


def main():
    client = Anthropic()
    asked = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": QUESTION}]}
    print(client.messages.create(**asked).content[0].text)
    for event in client.messages.create(stream=True, **asked):
        if event.type == "content_block_delta":
            print(event.delta.text, end="|")
    print()


if __name__ == "__main__":
    main()
