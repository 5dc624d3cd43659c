"""smolagents: its model over chat completions, and an agent that calls tools."""

import PIL.Image
from configuration import model
from harness import IMAGE, add, run
from smolagents import ChatMessage, LogLevel, ToolCallingAgent, tool

FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
    },
}


def user(text, *more):
    return ChatMessage(role="user", content=[{"type": "text", "text": text}, *more])


def ask(*messages, **options):
    return model.generate(list(messages), **options)


def second_turn(first, second):
    return ask(user(first), ask(user(first)), user(second)).content


def tool_loop(prompt):
    return ToolCallingAgent(tools=[tool(add)], model=model, verbosity_level=LogLevel.OFF).run(prompt)


run(
    text=lambda prompt: ask(user(prompt)).content,
    stream=lambda prompt: [piece.content for piece in model.generate_stream([user(prompt)]) if piece.content],
    second_turn=second_turn,
    tool_loop=tool_loop,
    schema=lambda prompt: ask(user(prompt), response_format=FORMAT).content,
    thinking=lambda prompt: ask(user(prompt)).raw.choices[0].message.reasoning_content,
    effort=lambda prompt: ask(user(prompt), reasoning_effort="low").content,
    errors=lambda prompt: ask(user(prompt)).content,
    image=lambda prompt: ask(user(prompt, {"type": "image", "image": PIL.Image.open(IMAGE)})).content,
)
