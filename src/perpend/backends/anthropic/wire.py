"""The Anthropic messages wire: at Anthropic, on Vertex and on Bedrock (anthropic 2.13, types and lib/).

A thinking block's signature is kept unchanged. A redacted thinking block has no text and is kept whole, as JSON.
Reference: https://docs.claude.com/en/api/messages, https://docs.claude.com/en/docs/build-with-claude/streaming
"""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct, field

from perpend.backends.anthropic.request import anthropic_thinking, left_out, request
from perpend.backends.body import Body, ThinkingParams
from perpend.backends.call_pieces import arguments_text
from perpend.backends.contract import Call, CallEvent, Upstream, backends
from perpend.backends.lenient import type_of
from perpend.backends.options import with_options
from perpend.backends.reasons import REASONS, end_word
from perpend.backends.speech import Speech
from perpend.backends.stream_decoder import Decoders, StreamDecoder, relay
from perpend.backends.thinking_params import granted
from perpend.errors import UpstreamError
from perpend.providers.provider import Provider
from perpend.transport.aws_event_stream import EventStreamParser
from perpend.transport.client import Framing
from perpend.transport.failures import says
from perpend.types import CallEnded, ServerStop, Usage

_VERSION = "2023-06-01"
_NOT_COUNTED = ("max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k")


class AnthropicBackend:
    supports_prefix = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream._replace(
            account=upstream.account.with_default("anthropic-version", _VERSION)
        )

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Streams the events of `call`. Raises BadRequest and UpstreamError: see `Backend.stream`."""
        body = with_options(request(call, self._upstream.provider), call, self._upstream.provider)
        path, body = self._address(call, body)
        decoder = _MessageDecoder(call, self._upstream.provider)
        thinking_params = partial(anthropic_thinking, call, self._upstream.provider)
        return relay(self._upstream, path, body, decoder, self._framing(), thinking_params=thinking_params)

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Reads a response that wasn't streamed: one message, or an error. Raises UpstreamError."""
        return _MessageDecoder(call, self._upstream.provider).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        return left_out(call, self._upstream.provider)

    def steers(self, call: Call) -> ThinkingParams:
        return granted(anthropic_thinking(call, self._upstream.provider), call)

    async def count_input(self, call: Call) -> int | None:
        """Counts the prompt's tokens; None where the endpoint doesn't count."""
        body = request(call, self._upstream.provider)
        for name in _NOT_COUNTED:
            body.pop(name, None)
        url = f"{await self._upstream.url()}/messages/count_tokens"
        try:
            answer = await self._upstream.http.post_json(
                url, msgspec.json.encode(body), self._upstream.account
            )
            return msgspec.json.decode(answer, type=_Count).input_tokens
        except (UpstreamError, ValueError):
            return None

    def _address(self, call: Call, body: Body) -> tuple[str, Body]:
        """Returns the path and the body that this endpoint expects."""
        return "/messages", body

    def _framing(self) -> Framing | None:
        return None


class AnthropicVertex(AnthropicBackend):
    """Claude on Vertex; base_url ends in `/projects/PROJECT/locations/REGION/publishers/anthropic`.

    Reference: https://docs.claude.com/en/api/claude-on-vertex-ai
    """

    def _address(self, call: Call, body: Body) -> tuple[str, Body]:
        del body["model"]
        model = quote(call.model, safe="@")
        return f"/models/{model}:streamRawPredict", {**body, "anthropic_version": "vertex-2023-10-16"}

    async def count_input(self, call: Call) -> int | None:
        """Returns None: Vertex counts at another path, with another body."""
        return None


class AnthropicBedrock(AnthropicBackend):
    """Claude on Bedrock, through InvokeModelWithResponseStream.

    Reference: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
    """

    def _address(self, call: Call, body: Body) -> tuple[str, Body]:
        del body["model"], body["stream"]
        path = f"/model/{quote(call.model, safe=':')}/invoke-with-response-stream"
        return path, {**body, "anthropic_version": "bedrock-2023-05-31"}

    def _framing(self) -> Framing:
        return EventStreamParser()

    async def count_input(self, call: Call) -> int | None:
        """Returns None: Bedrock doesn't count for every model."""
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
    """A streamed event, or a whole message, whose blocks are in `content`."""

    type: str = ""
    index: int | None = None
    """Index of its content block; None: the block that began last."""
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None
    content: list[_Block] = field(default_factory=list[_Block])
    model: str | None = None
    stop_reason: str | None = None


_EVENTS = Decoders(_Event)
_EVENT_SIGNS = {
    "message": ("content", "stop_reason"),
    "content_block_start": ("content_block",),
    "message_start": ("message",),
    "content_block_delta": ("index",),
    "message_delta": ("delta", "usage"),
}
_BLOCK_SIGNS = {
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "text": ("text",),
    "tool_use": ("name", "input"),
}


class _MessageDecoder(StreamDecoder[_Event]):
    def __init__(self, call: Call, provider: Provider) -> None:
        super().__init__(provider.name, _EVENTS, Speech(call, provider))
        self._started = False
        self._reason: ServerStop | None = None
        self._model: str | None = None
        self._counts: dict[str, int] = {}
        self._last_index = -1
        """Index of the block that began last."""
        self._tools: set[int] = set()
        """Indices of blocks that are tool calls."""

    def take(self, event: _Event, batch: list[CallEvent]) -> None:
        match type_of(event, _EVENT_SIGNS):
            case "content_block_delta" if event.delta is not None:
                self._delta(self._last_index if event.index is None else event.index, event.delta, batch)
            case "content_block_start" if event.content_block is not None:
                self._block(event.index, event.content_block, batch)
            case "message_start" if event.message is not None:
                self._started = True
                self._model = event.message.model
                self._count(event.message.usage)
            case "message_delta":
                self._stop(event.delta and event.delta.stop_reason)
                self._count(event.usage)
            case "message_stop":
                self.done = True
            case "message" if event.content or event.stop_reason:
                self._started = True
                for block in event.content:
                    self._block(None, block, batch)
                self._model = event.model
                self._stop(event.stop_reason)
                self._count(event.usage)
            case "error":
                self.fail(event.error)
            case _ if says(event.error):
                self.fail(event.error)
            case _:  # ping, and event types that are unknown
                pass

    def end(self) -> CallEnded | None:
        reason = self._reason or ("stop" if self.done and self._started else None)
        if reason == "stop" and self.speech.calls.count:
            reason = "tool_calls"
        if reason is None:
            return None
        return CallEnded(reason, self._usage(), self._model, self._counts.get("written", 0))

    def _stop(self, word: str | None) -> None:
        if (ended := end_word(word)) is not None:
            self._reason = REASONS.get(ended, "stop")
            if self._reason is None:
                self.fail(word)

    def _block(self, index: int | None, block: _Block, batch: list[CallEvent]) -> None:
        self._started = True
        self._last_index = self._last_index + 1 if index is None else index
        match type_of(block, _BLOCK_SIGNS):
            case "thinking":
                if block.thinking:
                    self.speech.thought(block.thinking, batch)
                if block.signature:
                    self.add_provider_state(block.signature, batch)
            case "redacted_thinking":
                block_json = {"type": "redacted_thinking", "data": block.data}
                self.add_provider_state(msgspec.json.encode(block_json).decode(), batch)
            case "text":
                if block.text:
                    self.speech.answer(block.text, batch)
            case "tool_use":
                self._tools.add(self._last_index)
                self.speech.call(batch, self._last_index, block.id, block.name, arguments_text(block.input))
            case _:  # tools that the vendor runs itself, which Perpend never requests
                pass

    def _delta(self, index: int, delta: _Delta, batch: list[CallEvent]) -> None:
        if delta.text:
            self.speech.answer(delta.text, batch)
        elif delta.thinking:
            self.speech.thought(delta.thinking, batch)
        elif delta.signature:
            self.add_provider_state(delta.signature, batch)
        elif delta.partial_json and index in self._tools:
            self.speech.call(batch, index, "", "", delta.partial_json)

    def _count(self, usage: _Usage | None) -> None:
        """Stores the token counts, which are totals so far; a later event may omit an unchanged count, or send 0."""
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
        for name, count in latest.items():
            if count or (count is not None and name not in self._counts):
                self._counts[name] = count

    def _usage(self) -> Usage | None:
        if not self._counts:
            return None
        count = self._counts.get
        cached, output = count("read", 0), count("output", 0)
        thinking = min(count("thinking", 0), output)
        return Usage(count("input", 0) + cached + count("written", 0), cached, thinking, output - thinking)


backends.register("anthropic")(AnthropicBackend)
backends.register("anthropic_vertex")(AnthropicVertex)
backends.register("anthropic_bedrock")(AnthropicBedrock)
