"""litellm as a library."""

import base64
import json

import litellm
from configuration import MODEL
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
    said = litellm.completion(
        messages=list(messages), allowed_openai_params=["reasoning_effort"], **MODEL, **options
    )
    return said.choices[0].message


def user(content):
    return {"role": "user", "content": content}


def stream(prompt):
    chunks = litellm.completion(messages=[user(prompt)], stream=True, **MODEL)
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]


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
    schema=lambda prompt: Person.model_validate_json(ask(user(prompt), response_format=Person).content),
    thinking=lambda prompt: ask(user(prompt)).reasoning_content,
    effort=lambda prompt: ask(user(prompt), reasoning_effort="low").content,
    errors=lambda prompt: ask(user(prompt)).content,
    image=image,
)
