"""Instructor: an answer by a schema, as a tool and as a format, and what else its client passes on."""

import instructor
from configuration import MODEL, client
from harness import IMAGE, run
from instructor.processing.multimodal import Image
from openai import OpenAI
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def user(content):
    return {"role": "user", "content": content}


def ask(*messages, client=client, **options):
    """The whole completion; with a `response_model`, what it makes of it."""
    options = {"response_model": None, "max_retries": 1, **options}
    return client.create(model=MODEL, messages=list(messages), **options)


def said(*messages, **options):
    return ask(*messages, **options).choices[0].message


def stream(prompt):
    chunks = ask(user(prompt), stream=True)
    return [
        chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content
    ]


def schema(prompt):
    own = OpenAI(base_url=client.client.base_url, api_key=client.client.api_key)
    as_format = instructor.from_openai(own, mode=instructor.Mode.JSON_SCHEMA)
    by_tool = ask(user(prompt), response_model=Person)
    by_format = ask(user(prompt), response_model=Person, client=as_format)
    assert by_tool.model_dump() == by_format.model_dump(), by_format
    partial = list(client.create_partial(model=MODEL, response_model=Person, messages=[user(prompt)]))
    assert by_tool.model_dump() == partial[-1].model_dump(), partial
    return by_tool


def second_turn(first, second):
    before = {"role": "assistant", "content": said(user(first)).content}
    return said(user(first), before, user(second)).content


run(
    text=lambda prompt: said(user(prompt)).content,
    stream=stream,
    second_turn=second_turn,
    schema=schema,
    thinking=lambda prompt: said(user(prompt)).reasoning_content,
    effort=lambda prompt: said(user(prompt), reasoning_effort="low").content,
    errors=lambda prompt: ask(user(prompt), response_model=Person),
    image=lambda prompt: said(user([prompt, Image.from_path(IMAGE)])).content,
)
