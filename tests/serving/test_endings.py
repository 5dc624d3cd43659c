"""What is cut never looks complete: each dialect says so in its own word, whole and streamed."""

from typing import Any, get_args

import msgspec
import pytest
from scripted import BODY, STARTED, House, answer, gateway

from perpend.types import COMPLETE, Finished, StopReason, Text, ToolUse

STOPS: tuple[StopReason, ...] = get_args(StopReason)
CUT = [stop for stop in STOPS if stop not in COMPLETE and stop != "content_filter"]
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")


def said_of(path: str, body: Any) -> str:
    """The word for how it ended."""
    if path.endswith("completions"):
        return body["choices"][0]["finish_reason"]
    if path.endswith("messages"):
        return body["stop_reason"]
    reason = body["incomplete_details"]
    return body["status"] + (f": {reason['reason']}" if reason else "")


async def ended(path: str, stop: StopReason, *content: Text | ToolUse) -> set[str]:
    """How an answer ends there, whole and streamed."""
    house = House([STARTED], [Finished(answer(stop=stop, content=content or None))])
    asked = {**BODY, "max_tokens": 9} if path != "/v1/responses" else {"model": "small", "input": "hi"}
    async with gateway(house) as front:
        whole = said_of(path, (await front.post(asked, path)).json)
        streamed = (await front.post({**asked, "stream": True}, path)).body
    return {whole, said_in(path, streamed)}


def said_in(path: str, body: bytes) -> str:
    datas = [msgspec.json.decode(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    if path.endswith("completions"):
        choices = [choice for data in datas for choice in data["choices"]]
        return next(choice["finish_reason"] for choice in choices if choice["finish_reason"])
    if path.endswith("messages"):
        return next(data["delta"]["stop_reason"] for data in datas if data["type"] == "message_delta")
    return said_of(path, datas[-1]["response"])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stop", CUT)
async def test_a_cut_answer_ends_as_one_that_ran_out_of_room(path: str, stop: StopReason) -> None:
    words = {"length", "max_tokens", "incomplete: max_output_tokens"}
    assert await ended(path, stop) <= words


@pytest.mark.parametrize("path", PATHS)
async def test_a_whole_one_ends_as_such(path: str) -> None:
    assert await ended(path, "stop") <= {"stop", "end_turn", "completed"}


@pytest.mark.parametrize("path", PATHS)
async def test_calls_that_came_whole_are_to_be_made_whatever_cut_the_thinking_before_them(path: str) -> None:
    call = ToolUse("c1", "add", '{"a": 1}')
    assert await ended(path, "deadline", call) <= {"tool_calls", "tool_use", "completed"}
    half = ToolUse("c2", "add", '{"a": ')
    cut = {"length", "max_tokens", "incomplete: max_output_tokens"}
    assert await ended(path, "deadline", call, half) <= cut
