"""Asks by `openai` before version 1: once, and as a stream."""

import openai
from question import MODEL, QUESTION


def main():
    if hasattr(openai, "ChatCompletion"):
        asked = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}
        print(openai.ChatCompletion.create(**asked).choices[0].message.content)
        print([chunk.choices[0].delta.get("content") for chunk in openai.ChatCompletion.create(stream=True, **asked)])
    print(openai.Embedding.create(model=MODEL, input=QUESTION, encoding_format="float")["usage"]["prompt_tokens"])


if __name__ == "__main__":
    main()
