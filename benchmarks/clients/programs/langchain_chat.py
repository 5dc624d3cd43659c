"""LangChain, through whichever chat model the configuration names, and its agent's loop."""

import base64

from configuration import LOW, model
from harness import IMAGE, add, run
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def ask(*messages, **options):
    return model.invoke(list(messages), **options)


def second_turn(first, second):
    asked = HumanMessage(first)
    return ask(asked, ask(asked, **LOW), HumanMessage(second), **LOW).text


def tool_loop(prompt):
    agent = create_agent(model, [tool(add)])
    return agent.invoke({"messages": [HumanMessage(prompt)]})["messages"][-1].text


def image(prompt):
    data = base64.b64encode(IMAGE.read_bytes()).decode()
    picture = {"type": "image", "base64": data, "mime_type": "image/png"}
    return ask(HumanMessage([{"type": "text", "text": prompt}, picture])).text


run(
    text=lambda prompt: model.invoke(prompt).text,
    stream=lambda prompt: [piece.text for piece in model.stream(prompt) if piece.text],
    second_turn=second_turn,
    tool_loop=tool_loop,
    schema=lambda prompt: model.with_structured_output(Person).invoke(prompt),
    thinking=lambda prompt: str(model.invoke(prompt, **LOW).content_blocks),
    effort=lambda prompt: model.invoke(prompt, **LOW).text,
    errors=lambda prompt: model.invoke(prompt).text,
    image=image,
)
