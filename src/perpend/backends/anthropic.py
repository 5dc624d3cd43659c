"""The Anthropic messages wire: at Anthropic, on Vertex and on Bedrock (anthropic 2.13, types and lib/).

A signature is carried as it came. A redacted thought is carried as its whole block in JSON: it has no text.
"""

from collections.abc import AsyncGenerator
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct, field

from perpend.backends.anthropic_request import left_out, request, steers
from perpend.backends.contract import Call, CallEvent, Upstream, append_text, backends
from perpend.backends.event_stream import EventStreamParser
from perpend.backends.http import Framing
from perpend.backends.options import with_options
from perpend.backends.reading import Decoders, Reading, relay
from perpend.errors import UpstreamError
from perpend.types import AnswerDelta, CallEnded, Carried, ThinkingDelta, ToolCallDelta, Usage

_VERSION = "2023-06-01"
_REASONS: dict[str, Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter"]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # a server's own tools took too long: the turn isn't at its end
}
_NOT_COUNTED = ("max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k")


class Anthropic:
    continues = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream._replace(
            account=upstream.account.with_default("anthropic-version", _VERSION)
        )
        self._origin = upstream.provider.name

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        body = with_options(request(call, self._upstream.provider), call, self._upstream.provider)
        path, body = self._address(call, body)
        return relay(self._upstream, path, body, _MessageReading(self._origin), self._framing())

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """A response that wasn't streamed: one message, or an error. Raises UpstreamError."""
        return _MessageReading(self._origin).events([body])

    def left_out(self, call: Call) -> tuple[str, ...]:
        return left_out(call, self._upstream.provider)

    def steers(self, call: Call) -> dict[str, Any]:
        return steers(call, self._upstream.provider)

    async def count_input(self, call: Call) -> int | None:
        """None where the place has no such count."""
        body = request(call, self._upstream.provider)
        for name in _NOT_COUNTED:
            body.pop(name, None)
        url = f"{await self._upstream.url()}/messages/count_tokens"
        try:
            answer = await self._upstream.http.post_json(
                url, msgspec.json.encode(body), self._upstream.account
            )
            return msgspec.json.decode(answer, type=_Count).input_tokens
        except (UpstreamError, msgspec.DecodeError):
            return None

    def _address(self, call: Call, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Where a request goes at this place, and how its body looks there."""
        return "/messages", body

    def _framing(self) -> Framing | None:
        return None


class AnthropicVertex(Anthropic):
    """base_url ends in `/projects/PROJECT/locations/REGION/publishers/anthropic`."""

    def _address(self, call: Call, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        del body["model"]
        model = quote(call.model, safe="@")
        return f"/models/{model}:streamRawPredict", {**body, "anthropic_version": "vertex-2023-10-16"}

    async def count_input(self, call: Call) -> int | None:
        """Its count has a path and a body of its own."""
        return None


class AnthropicBedrock(Anthropic):
    """InvokeModelWithResponseStream, authorised by an API key; requests aren't signed."""

    def _address(self, call: Call, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        del body["model"], body["stream"]
        path = f"/model/{quote(call.model, safe=':')}/invoke-with-response-stream"
        return path, {**body, "anthropic_version": "bedrock-2023-05-31"}

    def _framing(self) -> Framing:
        return EventStreamParser()

    async def count_input(self, call: Call) -> int | None:
        """Not every model can be asked there."""
        return None


class _Count(Struct):
    input_tokens: int


class _Block(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: Raw = Raw()


class _Delta(Struct):
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _OutputDetails(Struct):
    thinking_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Message(Struct):
    model: str | None = None
    usage: _Usage | None = None


class _Event(Struct):
    """A streamed event, or a whole message: that has a content of its own."""

    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None
    content: list[_Block] = field(default_factory=list[_Block])
    model: str | None = None
    stop_reason: str | None = None


_EVENTS = Decoders(_Event)


class _MessageReading(Reading[_Event]):
    def __init__(self, origin: str) -> None:
        super().__init__(origin, _EVENTS)
        self._reason: str | None = None
        self._model: str | None = None
        self._counts: dict[str, int] = {}
        self._tools: dict[int, int] = {}
        """Which tool call a block is, by the block's index."""
        self._empty: set[int] = set()
        """Tool calls that have no arguments yet."""

    def take(self, event: _Event, batch: list[CallEvent]) -> None:
        match event.type:
            case "content_block_delta" if event.delta is not None:
                self._delta(event.index, event.delta, batch)
            case "content_block_start" if event.content_block is not None:
                self._block(event.index, event.content_block, batch)
            case "content_block_stop":
                self._close(event.index, batch)
            case "message_start" if event.message is not None:
                self._model = event.message.model
                self._count(event.message.usage)
            case "message_delta" if event.delta is not None:
                self._reason = event.delta.stop_reason or self._reason
                self._count(event.usage)
            case "message":
                for index, block in enumerate(event.content):
                    self._block(index, block, batch)
                    self._close(index, batch)
                self._model, self._reason = event.model, event.stop_reason
                self._count(event.usage)
            case "error":
                self.fail(event.error)
            case _:  # ping, message_stop, and what is yet to be invented
                pass

    def end(self) -> CallEnded | None:
        if self._reason is None:
            return None
        return CallEnded(
            _REASONS.get(self._reason, "stop"), self._usage(), self._model, self._counts.get("written", 0)
        )

    def _block(self, index: int, block: _Block, batch: list[CallEvent]) -> None:
        match block.type:
            case "thinking":
                if block.thinking:
                    append_text(batch, ThinkingDelta, block.thinking, 0)
                if block.signature:
                    batch.append(Carried(self.carry(block.signature)))
            case "redacted_thinking":
                whole = {"type": "redacted_thinking", "data": block.data}
                batch.append(Carried(self.carry(msgspec.json.encode(whole).decode())))
            case "text":
                if block.text:
                    append_text(batch, AnswerDelta, block.text, 0)
            case "tool_use":
                tool = self._tools[index] = len(self._tools)
                given = bytes(block.input).decode()
                if given in ("", "{}", "null"):  # of a stream, which sends them piece by piece
                    given = ""
                    self._empty.add(index)
                batch.append(ToolCallDelta(tool, block.id, block.name, given))
            case _:  # tools that the vendor runs itself: none is asked for
                pass

    def _delta(self, index: int, delta: _Delta, batch: list[CallEvent]) -> None:
        if delta.text:
            append_text(batch, AnswerDelta, delta.text, 0)
        elif delta.thinking:
            append_text(batch, ThinkingDelta, delta.thinking, 0)
        elif delta.signature:
            batch.append(Carried(self.carry(delta.signature)))
        elif delta.partial_json and index in self._tools:
            self._empty.discard(index)
            batch.append(ToolCallDelta(self._tools[index], arguments=delta.partial_json))

    def _close(self, index: int, batch: list[CallEvent]) -> None:
        if index in self._empty:
            self._empty.discard(index)
            batch.append(ToolCallDelta(self._tools[index], arguments="{}"))

    def _count(self, usage: _Usage | None) -> None:
        """Counts are totals so far; a later event may leave out what hasn't changed."""
        if usage is None:
            return
        details = usage.output_tokens_details
        latest = {
            "input": usage.input_tokens,
            "read": usage.cache_read_input_tokens,
            "written": usage.cache_creation_input_tokens,
            "output": usage.output_tokens,
            "thinking": details.thinking_tokens if details else None,
        }
        self._counts |= {name: count for name, count in latest.items() if count is not None}

    def _usage(self) -> Usage | None:
        if not self._counts:
            return None
        count = self._counts.get
        cached, output = count("read", 0), count("output", 0)
        thinking = min(count("thinking", 0), output)
        return Usage(count("input", 0) + cached + count("written", 0), cached, thinking, output - thinking)


backends.register("anthropic")(Anthropic)
backends.register("anthropic_vertex")(AnthropicVertex)
backends.register("anthropic_bedrock")(AnthropicBedrock)
