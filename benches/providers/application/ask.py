"""Asks once by `openai`, and ends."""

from openai import OpenAI
from question import MODEL, QUESTION

asked = [{"role": "user", "content": QUESTION}]
print(OpenAI().chat.completions.create(model=MODEL, messages=asked).choices[0].message.content, flush=True)
