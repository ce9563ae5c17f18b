"""A WSGI application that asks by `openai`, for a server that forks: `gunicorn --preload prefork:app`."""

from openai import OpenAI
from question import MODEL, QUESTION

client = OpenAI()


def app(environ, start_response):
    answer = "ok"
    if environ["PATH_INFO"] == "/ask":
        asked = [{"role": "user", "content": QUESTION}]
        answer = client.chat.completions.create(model=MODEL, messages=asked).choices[0].message.content
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]
