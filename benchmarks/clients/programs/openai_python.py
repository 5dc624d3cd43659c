"""OpenAI's Python SDK: chat completions and parsed answers."""

import base64
import json

from configuration import MODEL, client
from harness import IMAGE, add, run
from pydantic import BaseModel

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    },
}


class Person(BaseModel):
    name: str
    age: int


def ask(*messages, **options):
    said = client.chat.completions.create(model=MODEL, messages=list(messages), **options)
    return said.choices[0].message


def user(text):
    return {"role": "user", "content": text}


def stream(prompt):
    chunks = client.chat.completions.create(model=MODEL, messages=[user(prompt)], stream=True)
    return [
        chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content
    ]


def second_turn(first, second):
    return ask(user(first), ask(user(first)), user(second)).content


def tool_loop(prompt):
    messages = [user(prompt)]
    while True:
        said = ask(*messages, tools=[ADD])
        messages.append(said)
        if not said.tool_calls:
            return said.content
        for call in said.tool_calls:
            result = add(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})


def schema(prompt):
    said = client.chat.completions.parse(model=MODEL, messages=[user(prompt)], response_format=Person)
    return said.choices[0].message.parsed


def image(prompt):
    url = f"data:image/png;base64,{base64.b64encode(IMAGE.read_bytes()).decode()}"
    return ask(
        user([{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}])
    ).content


run(
    text=lambda prompt: ask(user(prompt)).content,
    stream=stream,
    second_turn=second_turn,
    tool_loop=tool_loop,
    schema=schema,
    thinking=lambda prompt: ask(user(prompt)).reasoning_content,
    effort=lambda prompt: ask(user(prompt), reasoning_effort="low").content,
    errors=lambda prompt: ask(user(prompt)).content,
    image=image,
)
