"""A chain of LangChain: a prompt, a model, a parser."""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from question import MODEL, QUESTION


def main():
    chain = ChatPromptTemplate.from_messages([("user", "{question}")]) | ChatOpenAI(model=MODEL) | StrOutputParser()
    print(chain.invoke({"question": QUESTION}))


if __name__ == "__main__":
    main()
