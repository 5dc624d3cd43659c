"""The tool runners of the vendors' SDKs go through a whole loop, with all that they send beside the conversation."""

from collections.abc import Iterable
from typing import Any

import pytest
from anthropic import AsyncAnthropic, beta_async_tool
from scripted import STARTED, House, Step, answer, gateway

from perpend.types import Answer, Event, Finished, Message, ProviderState, Text, Thought, ToolResult, ToolUse

ASKED = {"role": "user", "content": "What is 6 × 7, and then plus 1?"}
THOUGHT = Thought("hm", ProviderState("vendor", "signature"))


class Turns(House):
    """Plays another script for each request."""

    def __init__(self, *turns: Iterable[Step]) -> None:
        super().__init__()
        self._turns = iter(turns)

    async def solve(self, *args: Any, **options: Any) -> Answer:
        self.steps = tuple(next(self._turns))
        return await super().solve(*args, **options)


def calls(id_: str, name: str, arguments: str) -> list[list[Event]]:
    said = (THOUGHT, ToolUse(id_, name, arguments))
    return [[STARTED], [Finished(answer("", "hm", "tool_calls", content=said))]]


def says(text: str) -> list[list[Event]]:
    return [[STARTED], [Finished(answer(text, "hm", content=(THOUGHT, Text(text))))]]


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropic_s_tool_runner(stream: bool) -> None:
    @beta_async_tool
    async def multiply(a: int, b: int) -> str:
        """Multiplies."""
        return str(a * b)

    @beta_async_tool
    async def add(a: int, b: int) -> str:
        """Adds."""
        return str(a + b)

    house = Turns(
        calls("c1", "multiply", '{"a":6,"b":7}'), calls("c2", "add", '{"a":42,"b":1}'), says("It is 43.")
    )
    async with gateway(house) as front:
        url = f"http://127.0.0.1:{front.port}"
        async with AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as sdk:
            client: Any = sdk  # its overloads can't follow options that are spread
            runner = client.beta.messages.tool_runner(
                model="small",
                max_tokens=999,
                messages=[ASKED],
                tools=[multiply, add],
                stream=stream,
                thinking={"type": "adaptive"},
                speed="fast",
                fallbacks=[{"model": "claude-haiku-4-5"}],
                output_config={"effort": "low", "task_budget": {"type": "tokens", "total": 20_000}},
                context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
                betas=["context-management-2025-06-27"],
            )
            last = await runner.until_done()
    assert [block.text for block in last.content if block.type == "text"] == ["It is 43."]
    assert last.context_management.applied_edits == []
    assert house.requests[-1].messages == (
        Message("user", ASKED["content"]),
        Message("assistant", (THOUGHT, ToolUse("c1", "multiply", '{"a":6,"b":7}'))),
        Message("tool", (ToolResult("c1", "42"),)),
        Message("assistant", (THOUGHT, ToolUse("c2", "add", '{"a":42,"b":1}'))),
        Message("tool", (ToolResult("c2", "43"),)),
    )
    assert len(house.requests) == 3
    assert {"speed", "fallbacks", "output_config.task_budget"} <= set(house.requests[-1].ignored)
