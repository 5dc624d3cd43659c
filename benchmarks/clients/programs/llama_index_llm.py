"""LlamaIndex's OpenAI-like model, and its agent's loop."""

from configuration import model
from harness import IMAGE, add, run
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


def ask(*messages, **options):
    return model.chat(list(messages), **options).message


def second_turn(first, second):
    asked = ChatMessage(first)
    return ask(asked, ask(asked), ChatMessage(second)).content


async def tool_loop(prompt):
    return str(await FunctionAgent(tools=[add], llm=model).run(prompt))


def thinking(prompt):
    return str(ask(ChatMessage(prompt)).blocks)


def image(prompt):
    return ask(ChatMessage([TextBlock(text=prompt), ImageBlock(path=IMAGE)])).content


run(
    text=lambda prompt: str(model.complete(prompt)),
    stream=lambda prompt: [piece.delta for piece in model.stream_complete(prompt) if piece.delta],
    second_turn=second_turn,
    tool_loop=tool_loop,
    schema=lambda prompt: model.structured_predict(Person, PromptTemplate(prompt)),
    thinking=thinking,
    effort=lambda prompt: ask(ChatMessage(prompt), reasoning_effort="low").content,
    errors=lambda prompt: str(model.complete(prompt)),
    image=image,
)
