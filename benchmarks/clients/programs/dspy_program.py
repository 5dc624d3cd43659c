"""DSPy: its language model, a typed signature, and ReAct's loop, which is a form of text of its own."""

import asyncio

import dspy
from configuration import model
from harness import IMAGE, add, run

ALLOWED = ["reasoning_effort"]
dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)


def said(*messages, **options):
    one = model(messages=list(messages), **options)[0]
    return one if isinstance(one, dict) else {"text": one}


def user(content):
    return {"role": "user", "content": content}


def stream(prompt):
    listener = dspy.streaming.StreamListener(signature_field_name="answer")
    program = dspy.streamify(dspy.Predict("question -> answer"), stream_listeners=[listener])

    async def pieces():
        return [one.chunk async for one in program(question=prompt) if hasattr(one, "chunk")]

    return asyncio.run(pieces())


def second_turn(first, second):
    before = {"role": "assistant", "content": said(user(first))["text"]}
    return said(user(first), before, user(second))["text"]


def image(prompt):
    looks = dspy.Predict("picture: dspy.Image, question -> answer")
    return looks(picture=dspy.Image.from_path(str(IMAGE)), question=prompt).answer


run(
    text=lambda prompt: dspy.Predict("question -> answer")(question=prompt).answer,
    stream=stream,
    second_turn=second_turn,
    tool_loop=lambda prompt: dspy.ReAct("question -> answer", tools=[add])(question=prompt).answer,
    schema=lambda prompt: dspy.Predict("question -> name: str, age: int")(question=prompt),
    thinking=lambda prompt: said(user(prompt))["reasoning_content"],
    effort=lambda prompt: said(
        user(prompt), reasoning_effort="low", allowed_openai_params=["reasoning_effort"]
    )["text"],
    errors=lambda prompt: said(user(prompt)),
    image=image,
)
