"""pydantic-ai's agent, over chat completions."""

from configuration import model
from harness import IMAGE, add, run
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.messages import ThinkingPart


class Person(BaseModel):
    name: str
    age: int


async def ask(prompt, *, effort=None, **options):
    settings = {"openai_reasoning_effort": effort} if effort else {}
    return await Agent(model, model_settings=settings, **options).run(prompt)


async def text(prompt):
    return (await ask(prompt)).output


async def stream(prompt):
    async with Agent(model).run_stream(prompt) as result:
        return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]


async def second_turn(first, second):
    before = await ask(first)
    return (await Agent(model).run(second, message_history=before.all_messages())).output


async def tool_loop(prompt):
    return (await ask(prompt, tools=[add])).output


async def schema(prompt):
    tool = (await ask(prompt, output_type=Person)).output
    native = (await ask(prompt, output_type=NativeOutput(Person))).output
    assert tool == native
    return native


async def thinking(prompt):
    parts = (await ask(prompt)).all_messages()[-1].parts
    return "".join(part.content for part in parts if isinstance(part, ThinkingPart))


async def effort(prompt):
    return (await ask(prompt, effort="low")).output


async def image(prompt):
    return (await ask([prompt, BinaryContent(IMAGE.read_bytes(), media_type="image/png")])).output


run(
    text=text,
    stream=stream,
    second_turn=second_turn,
    tool_loop=tool_loop,
    schema=schema,
    thinking=thinking,
    effort=effort,
    errors=text,
    image=image,
)
