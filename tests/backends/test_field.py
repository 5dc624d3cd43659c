"""Streams after public bug reports: each is read as it was meant, by its backend and through the gateway."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from wire_server import Server, fronted

from perpend.backends.recording import read_recording, replay
from perpend.config.schema import ModelConfig, ProviderConfig
from perpend.types import Usage

FIELD = Path(__file__).parents[1] / "fixtures" / "field"
OSLO = [("get_weather", {"city": "Oslo"})]
NAMES = [str(file.parent.relative_to(FIELD)) for file in sorted(FIELD.rglob("response.*"))]


class Right(NamedTuple):
    """What comes out of it."""

    thinking: str = ""
    answer: str = ""
    calls: Sequence[tuple[str, dict[str, Any]]] = ()
    usage: Usage | None = Usage(10, 0, 0, 6)
    stop_reason: str | None = "stop"


RIGHT = {
    "01/upstream": Right(answer="a" * 32 + "b"),
    "03/rec": Right(answer="The answer is not", usage=None, stop_reason=None),
    "04/rec": Right(answer="Paris it is."),
    "05/10-tool-id-each-chunk": Right(calls=OSLO, usage=None, stop_reason="tool_calls"),
    "05/b19-pool-two-ids": Right(calls=OSLO, usage=None, stop_reason="tool_calls"),
    "06/c02-name-empty-then-later": Right(calls=OSLO, usage=None, stop_reason="tool_calls"),
    "06/rec": Right(calls=OSLO, usage=None, stop_reason="tool_calls"),
    "07/14-tool-index-string": Right(calls=OSLO, usage=None, stop_reason="tool_calls"),
    "07/17-usage-floats": Right(answer="Hi"),
    "07/20b-reasoning-list": Right(answer="Hi"),
    "07/a01-null-signature": Right("T", "Hi", usage=Usage(10, 0, 4, 5)),
    "07/g01-null-thoughts": Right(answer="Hi", usage=Usage(8, 0, 0, 3)),
    "07/g03-null-thought-flag": Right(answer="Hi", usage=Usage(8, 0, 20, 3)),
    "07/o02-done-reason-null": Right(answer="Hi", usage=Usage(5, 0, 0, 9)),
    "07/o03-thinking-null": Right(answer="Hi", usage=Usage(5, 0, 0, 9)),
    "08/a03-tool-input-empty-string": Right(calls=OSLO, usage=Usage(10, 0, 0, 9), stop_reason="tool_calls"),
    "08/a04-tool-input-full-at-start-and-delta": Right(
        calls=OSLO, usage=Usage(10, 0, 0, 9), stop_reason="tool_calls"
    ),
    "09/rec": Right(answer="Hi", usage=Usage(10, 0, 0, 9)),
    "11/03-double-done": Right(answer="Hello"),
    "11/04-after-done": Right(answer="Hello"),
    "11/05-empty-data-keepalive": Right(answer="Hello you"),
    "12/rec": Right(answer="Hello you."),
    "14/09-error-empty-string": Right(answer="Hello"),
    "14/09b-error-empty-obj": Right(answer="Hello", usage=None),
    "15/25-no-finish-but-done": Right(answer="Hello you.", usage=None),
    "15/b07-finishReason-camel": Right(answer="Hello"),
    "16/rec": Right("T", "Hi", usage=Usage(10, 0, 3, 3)),
    "18/a11-think-tag-in-text": Right("T", "Hi", usage=Usage(10, 0, 4, 5)),
    "18/o01-think-in-content": Right("T", "Hi", usage=Usage(5, 0, 4, 5)),
    "18/o08-close-tag-only": Right("T", "Hi", usage=Usage(5, 0, 4, 5)),
    "25/d01-harmony-raw-unknown-server": Right("Need sum.", "4", usage=Usage(10, 0, 4, 2)),
    "25/d02-harmony-stripped-unknown-server": Right("Need sum.", "4", usage=Usage(10, 0, 4, 2)),
    "26/rec": Right(
        "The parser stops at the </think> tag, which I must mention. Done.", "Yes.", usage=Usage(10, 0, 5, 1)
    ),
}
"""By the number of its folder, and its own name."""


def test_none_is_left_out() -> None:
    assert {f"{name[:2]}/{Path(name).name}" for name in NAMES} == set(RIGHT)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [None, 1, 7], ids=["in one read", "a byte a read", "7 bytes a read"])
def test_a_recording_says_what_it_means(name: str, size: int | None) -> None:
    recording = read_recording(FIELD / name)
    body, right = recording.body, RIGHT[f"{name[:2]}/{Path(name).name}"]
    told = replay(recording, [body[at : at + size] for at in range(0, len(body), size)] if size else ())
    calls = [(call.name, json.loads(call.arguments)) for call in told.tool_calls]
    assert (told.thinking, told.answer, calls) == (right.thinking, right.answer, [*right.calls])
    assert (told.usage, told.stop_reason) == (right.usage, right.stop_reason)
    assert (told.error is None) == (right.stop_reason is not None)


class Typed(Server):
    """Says of what type its bodies are."""

    def __init__(self, bodies: Sequence[bytes], type_: str) -> None:
        super().__init__(bodies)
        self._type = type_

    async def answer(self, request: web.Request) -> web.Response:
        response = await super().answer(request)
        response.content_type = self._type
        return response


def body(number: str) -> bytes:
    (file,) = FIELD.glob(f"{number}-*/rec/response.*")
    return file.read_bytes()


async def asked(
    tmp_path: Path,
    said: bytes,
    type_: str = "text/event-stream",
    like: str | None = "vllm",
    **fields: Any,
) -> tuple[Any, int]:
    """What the gateway answers before a vLLM that says this, and how often that was asked."""
    server = Typed([said], type_)
    provider, model = ProviderConfig(like=like), ModelConfig(name="Qwen/Qwen3-8B")
    async with fronted(server, provider, model, tmp_path) as front:
        request = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
        response = await front.post(request)
        return response.json, len(server.asked)


@pytest.mark.parametrize("like", ["vllm", "sglang", None])
async def test_an_answer_that_came_as_a_thought_though_thinking_is_off_is_told_and_paid_once(
    tmp_path: Path, like: str | None
) -> None:
    told, calls = await asked(tmp_path, body("04"), like=like, reasoning_effort="none")
    message = told["choices"][0]["message"]
    assert (message["content"], message.get("reasoning_content"), calls) == ("Paris it is.", None, 1)
    assert told["usage"]["completion_tokens"] == 6


async def test_a_stream_that_breaks_off_is_told_as_cut(tmp_path: Path) -> None:
    told, _ = await asked(tmp_path, body("03"), reasoning_effort="none")
    assert told["choices"][0]["message"]["content"].startswith("The answer is not")
    assert told["perpend"]["truncated"]
    assert told["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("type_", ["application/json", "text/event-stream"])
async def test_one_json_in_the_place_of_a_stream_is_the_answer(tmp_path: Path, type_: str) -> None:
    told, calls = await asked(tmp_path, body("16"), type_)
    message = told["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"], calls) == ("Hi", "T", 1)
    assert not told["perpend"]["truncated"]


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "no such adapter", "code": 404}},
        {"error": "no such adapter"},
        {"detail": "no such adapter"},
        {"message": "no such adapter"},
    ],
)
async def test_an_error_in_the_place_of_a_stream_is_shown(tmp_path: Path, error: dict[str, Any]) -> None:
    told, _ = await asked(tmp_path, json.dumps(error).encode(), "application/json")
    assert "no such adapter" in told["error"]["message"]
