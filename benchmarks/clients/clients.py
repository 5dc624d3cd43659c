# pyright: basic, reportMissingImports=false
# runs in an environment of its own
"""LangChain and Instructor; fails where one doesn't get its answer."""

import os

import instructor
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import BaseModel

URL = os.environ["PERPEND_URL"]
QUESTION = "What is 2+3?"


class Person(BaseModel):
    name: str
    age: int


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def chat(**options: object) -> ChatOpenAI:
    return ChatOpenAI(
        model="small", base_url=URL, api_key="none", max_retries=0, max_completion_tokens=60, **options
    )


said = chat().invoke(QUESTION)
assert said.content
print("langchain:", said.content[:40], said.usage_metadata)
streamed = "".join(str(piece.content) for piece in chat().stream(QUESTION))
assert streamed
print("langchain, streamed:", streamed[:40])
called = chat().bind_tools([add], tool_choice="add").invoke("Add 2 and 3").tool_calls
assert [call["name"] for call in called] == ["add"]
print("langchain, a tool:", called[0]["args"])
kept = chat(use_responses_api=True).invoke(QUESTION).content
assert [block["type"] for block in kept] == ["reasoning", "text"]
print("langchain, responses:", kept[-1]["text"][:40])
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(OpenAI(base_url=URL, api_key="none", max_retries=0), mode=mode)
    asked = [{"role": "user", "content": "Anna is 31 years old. Extract."}]
    print(
        f"instructor, {mode.name}:",
        client.create(model="small", response_model=Person, max_retries=1, max_tokens=120, messages=asked),
    )
