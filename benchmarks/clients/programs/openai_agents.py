"""OpenAI's Agents SDK, over responses."""

import base64

from agents import Agent, ModelSettings, Runner, SQLiteSession, function_tool, set_tracing_disabled
from configuration import model
from harness import IMAGE, add, run
from openai.types.shared import Reasoning
from pydantic import BaseModel

set_tracing_disabled(True)
LOW = ModelSettings(reasoning=Reasoning(effort="low", summary="auto"))


class Person(BaseModel):
    name: str
    age: int


async def ask(prompt, session=None, **options):
    return await Runner.run(Agent("assistant", model=model, **options), prompt, session=session)


async def text(prompt):
    return (await ask(prompt)).final_output


async def stream(prompt):
    result = Runner.run_streamed(Agent("assistant", model=model), prompt)
    events = [event.data async for event in result.stream_events() if event.type == "raw_response_event"]
    return [event.delta for event in events if event.type == "response.output_text.delta"]


async def second_turn(first, second):
    session = SQLiteSession("matrix")
    await ask(first, session)
    return (await ask(second, session)).final_output


async def tool_loop(prompt):
    return (await ask(prompt, tools=[function_tool(add)], model_settings=LOW)).final_output


async def schema(prompt):
    return (await ask(prompt, output_type=Person)).final_output


async def thinking(prompt):
    return next(str(item.raw_item) for item in (await ask(prompt, model_settings=LOW)).new_items)


async def effort(prompt):
    return (await ask(prompt, model_settings=LOW)).final_output


async def image(prompt):
    url = f"data:image/png;base64,{base64.b64encode(IMAGE.read_bytes()).decode()}"
    content = [
        {"type": "input_text", "text": prompt},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]
    return (await ask([{"role": "user", "content": content}])).final_output


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
