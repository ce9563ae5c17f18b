"""A service of FastAPI that asks by `openai`: `uvicorn service:app`."""

from fastapi import FastAPI
from openai import AsyncOpenAI
from question import MODEL, QUESTION

app = FastAPI()
client = AsyncOpenAI()


@app.get("/health")
def health():
    return {"ok": True}


@app.get("/ask")
async def ask():
    asked = [{"role": "user", "content": QUESTION}]
    answer = await client.chat.completions.create(model=MODEL, messages=asked)
    return {"answer": answer.choices[0].message.content}
