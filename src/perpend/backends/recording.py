"""Replays a recorded exchange with an upstream through its backend, for bug reports and tests.

A folder holds `response.json`, `response.sse` or `response.ndjson`, and, where they are known, `request.json` and
`meta.json` (`url`, `vendor`, `status`).
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import cache
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perpend.accounting.estimates import Speed, split
from perpend.backends.body import JSONObject
from perpend.backends.contract import Backend, Call, CallEvent, Upstream, backends
from perpend.errors import ConfigError, UpstreamError
from perpend.families.family import family_of
from perpend.providers.provider import Provider, providers
from perpend.transport.client import Framing, HTTPClient, UpstreamAccount
from perpend.types import AnswerDelta, CallEnded, Message, Sampling, ThinkingDelta, ToolCallDelta, Usage

_WIRES = (
    (r"/chat/completions", "openai_chat"),
    (r"/v2/chat$", "cohere"),
    (r"/responses(/|$)", "openai_responses"),
    (r"/messages$", "anthropic"),
    (r":(stream)?[gG]enerateContent", "gemini"),
    (r"/api/(chat|generate)$", "ollama"),
    (r"/text-generation/generation$", "dashscope"),
    (r"/completions$", "raw_completion"),
    (r"/completion$", "llama_completion"),
)
"""Pattern of an address's path -> its wire; the first match counts."""


_THINKING_OFF = {
    "think": False,
    "enable_thinking": False,
    "chat_template_kwargs.enable_thinking": False,
    "chat_template_kwargs.thinking": False,
    "parameters.enable_thinking": False,
    "reasoning_effort": "none",
    "reasoning.effort": "none",
    "reasoning.enabled": False,
    "thinking.type": "disabled",
    "generationConfig.thinkingConfig.thinkingBudget": 0,
}
"""Fields of a request, and the values that switch thinking off."""


class Recording(Struct, frozen=True):
    request: JSONObject
    body: bytes
    streamed: bool
    url: str = ""
    vendor: str = ""
    status: int = 200


class ReplayedToolCall(Struct, frozen=True):
    id: str
    name: str
    arguments: str


class ReplayedError(TypedDict):
    code: str
    status: int | None
    """Of the HTTP response."""
    message: str
    hint: str | None


class Replayed(Struct, frozen=True, kw_only=True):
    """The content of a recording, up to its error if it has one."""

    thinking: str
    answer: str
    tool_calls: list[ReplayedToolCall]
    usage: Usage | None
    """The server's counts; thinking that it didn't count separately is estimated from the length of the texts."""
    stop_reason: str | None
    error: ReplayedError | None = None


def read_recording(folder: Path) -> Recording:
    """Reads a folder. Raises ConfigError where it holds no recording, or a damaged file."""
    names = ("response.sse", "response.ndjson", "response.json")
    body = next((folder / name for name in names if (folder / name).is_file()), None)
    if body is None:
        raise ConfigError(
            f"{folder} holds no response.json or response.sse", hint="name folders of recordings"
        )
    meta = _object(folder / "meta.json")
    status = meta.get("status")
    expected: Any = meta.get("expect") or {}
    if status is None and isinstance(expected, dict):
        status = expected.get("status")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return Recording(
        request=_object(folder / "request.json"),
        body=body.read_bytes(),
        streamed=body.suffix != ".json",
        url=str(meta.get("url") or ""),
        vendor=str(meta.get("vendor") or ""),
        status=status if isinstance(status, int) else 200,
    )


def replay(recording: Recording, reads: Iterable[bytes] = ()) -> Replayed:
    """Replays a recording through the backend of its wire, with the row of its provider.

    `reads`: the pieces in which a stream comes; without them it comes as one.
    """
    provider = provider_of(recording)
    upstream = _upstream(provider, recording, reads or [recording.body])
    backend = backends.get(provider.wire)(upstream)
    events: list[CallEvent] = []
    error: ReplayedError | None = None
    try:
        if recording.streamed:
            asyncio.run(_collect(backend, _call(recording), events))
        else:
            events += backend.whole(recording.body, _call(recording))
    except UpstreamError as upstream_error:
        status = upstream_error.upstream_status or (recording.status if recording.status != 200 else None)
        error = {
            "code": upstream_error.code,
            "status": status,
            "message": upstream_error.message,
            "hint": upstream_error.hint,
        }
    return _replayed(events, error)


def provider_of(recording: Recording) -> Provider:
    """The row of the provider it was recorded at, with the wire of its address."""
    host = urlsplit(recording.url).hostname or ""
    host_row = _by_host().get(host) if host else None
    vendor_row = providers().get(recording.vendor)
    local = host in ("", "localhost", "0.0.0.0", "127.0.0.1")  # noqa: S104 -- an address to compare with
    row = (vendor_row if local else host_row or vendor_row) or Provider(name=recording.vendor or "recorded")
    return replace(row, wire=_wire(recording) or row.wire)


@cache
def _by_host() -> dict[str | None, Provider]:
    """Host -> the first row that has it."""
    return {urlsplit(row.base_url).hostname: row for row in reversed(providers().values())}


def _wire(recording: Recording) -> str | None:
    path = recording.url.partition("?")[0].partition("#")[0]
    for pattern, wire in _WIRES:
        if re.search(pattern, path):
            return wire
    request = recording.request
    if "contents" in request:
        return "gemini"
    if "input" in request and "messages" not in request:
        return "openai_responses"
    return "openai_chat" if "messages" in request and not recording.url else None


def _call(recording: Recording) -> Call:
    model, stop = recording.request.get("model"), recording.request.get("stop")
    if not isinstance(model, str):
        model_match = re.search(rb'"model(?:_?[vV]ersion)?"\s*:\s*"([^"]+)"', recording.body)
        model = model_match[1].decode(errors="replace") if model_match else "recorded"
    stops = (stop,) if isinstance(stop, str) else tuple(map(str, stop)) if isinstance(stop, list) else ()  # pyright: ignore[reportUnknownArgumentType]
    thinking_off = any(_value_at(recording.request, path) == value for path, value in _THINKING_OFF.items())
    return Call(
        model=model,
        family=family_of(model),
        messages=(Message("user", ""),),
        max_tokens=1,
        thinking_tokens=0 if thinking_off else 1,
        effort="none" if thinking_off else "medium",
        sampling=Sampling(stop=stops),
    )


def _value_at(request: Any, path: str) -> Any:
    for name in path.split("."):
        request = request.get(name) if isinstance(request, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return request  # pyright: ignore[reportUnknownVariableType]


class _RecordedClient(HTTPClient):
    """Answers any request with the recording."""

    def __init__(self, reads: Iterable[bytes]) -> None:
        super().__init__()
        self._reads = reads

    async def stream(
        self, url: str, body: bytes | None, account: UpstreamAccount, parser: Framing
    ) -> AsyncGenerator[list[bytes], float | None]:
        for read in self._reads:
            if events := parser.feed(read):
                yield events
        if events := parser.close():
            yield events


def _upstream(provider: Provider, recording: Recording, reads: Iterable[bytes]) -> Upstream:
    async def url() -> str:
        return recording.url or "the recording"

    return Upstream(provider, _RecordedClient(reads), url, UpstreamAccount({}))


async def _collect(backend: Backend, call: Call, events: list[CallEvent]) -> None:
    async with aclosing(backend.stream(call)) as batches:
        async for batch in batches:
            events += batch


def _replayed(events: list[CallEvent], error: ReplayedError | None) -> Replayed:
    thinking = "".join([event.text for event in events if isinstance(event, ThinkingDelta)])
    answer = "".join([event.text for event in events if isinstance(event, AnswerDelta)])
    calls: dict[int, ReplayedToolCall] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            earlier = calls.get(event.index, ReplayedToolCall("", "", ""))
            calls[event.index] = ReplayedToolCall(
                event.id or earlier.id, earlier.name + event.name, earlier.arguments + event.arguments
            )
    end = events[-1] if events and isinstance(events[-1], CallEnded) else None
    usage = end.usage if end is not None else None
    if usage is not None and thinking and not usage.thinking:
        estimate = Speed().estimate_tokens
        visible = answer + "".join([call.name + call.arguments for call in calls.values()])
        usage = split(usage, estimate(thinking), estimate(visible))
    reason = end.reason if end is not None else None
    tools = list(calls.values())
    return Replayed(
        thinking=thinking, answer=answer, tool_calls=tools, usage=usage, stop_reason=reason, error=error
    )


def _object(file: Path) -> JSONObject:
    if not file.is_file():
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=JSONObject)
    except ValueError as error:
        raise ConfigError(f"{file}: {error}", hint="it should hold one JSON object") from None
