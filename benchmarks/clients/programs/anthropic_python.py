"""Anthropic's Python SDK: messages, its tool runner, parsed answers."""

import base64

from anthropic import beta_tool
from configuration import MODEL, client
from harness import IMAGE, add, run
from pydantic import BaseModel

THINKS = {"thinking": {"type": "adaptive", "display": "summarized"}}


class Person(BaseModel):
    name: str
    age: int


def ask(*messages, **options):
    return client.messages.create(model=MODEL, max_tokens=8192, messages=list(messages), **options)


def user(content):
    return {"role": "user", "content": content}


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


def thinking(prompt):
    return "".join(
        block.thinking for block in ask(user(prompt), **THINKS).content if block.type == "thinking"
    )


def stream(prompt):
    with client.messages.stream(model=MODEL, max_tokens=4096, messages=[user(prompt)]) as events:
        return list(events.text_stream)


def second_turn(first, second):
    said = ask(user(first), **THINKS)
    return text(ask(user(first), {"role": "assistant", "content": said.content}, user(second), **THINKS))


def tool_loop(prompt):
    options = {"model": MODEL, "max_tokens": 4096, "messages": [user(prompt)]}
    runner = client.beta.messages.tool_runner(
        tools=[beta_tool(lambda a, b: str(add(a, b)), name="add")], **options
    )
    return text(runner.until_done())


def schema(prompt):
    said = client.messages.parse(model=MODEL, max_tokens=4096, messages=[user(prompt)], output_format=Person)
    return said.parsed_output


def image(prompt):
    data = base64.b64encode(IMAGE.read_bytes()).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return text(ask(user([{"type": "image", "source": source}, {"type": "text", "text": prompt}])))


run(
    text=lambda prompt: text(ask(user(prompt))),
    stream=stream,
    second_turn=second_turn,
    tool_loop=tool_loop,
    schema=schema,
    thinking=thinking,
    effort=lambda prompt: text(ask(user(prompt), output_config={"effort": "low"}, **THINKS)),
    errors=lambda prompt: text(ask(user(prompt))),
    image=image,
)
