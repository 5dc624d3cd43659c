"""Cohere's own wire (API reference: v2/chat, chat-stream): the chat wire's requests, events of its own."""

from collections.abc import AsyncGenerator
from typing import Any

from msgspec import Struct

from perpend.backends.contract import Call, CallEvent, Upstream, append_text, backends
from perpend.backends.knobs import knobs_set
from perpend.backends.openai_chat_events import CallPiece, Chunk, Function, Reason
from perpend.backends.openai_chat_request import chat_body, chat_drawing
from perpend.backends.options import with_options
from perpend.backends.providers import Provider
from perpend.backends.reading import Decoders, Reading, relay
from perpend.types import AnswerDelta, CallEnded, ThinkingDelta, ToolCallDelta, Usage

_REASONS: dict[str, Reason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
"""Any other word is a failure."""


class Cohere:
    continues = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        provider = self._upstream.provider
        body = with_options(_body(call, provider), call, provider)
        return relay(self._upstream, "/chat", body, CohereReading(provider.name))

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        return CohereReading(self._upstream.provider.name).events([body])

    def left_out(self, call: Call) -> tuple[str, ...]:
        return chat_drawing(call, self._upstream.provider).left_out

    def steers(self, call: Call) -> dict[str, Any]:
        return knobs_set(call, self._upstream.provider)

    async def count_input(self, call: Call) -> int | None:
        """Its tokenizer is another exchange, which counts no templates."""
        return None


class _Tokens(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Usage(Struct):
    tokens: _Tokens | None = None
    cached_tokens: float | None = None


class _Message(Struct):
    content: list[Chunk] | Chunk | None = None
    tool_plan: str | None = None
    tool_calls: list[CallPiece] | CallPiece | None = None


class _Delta(Struct):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None


class _Event(Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    message: _Message | str | None = None
    """Of a response that wasn't streamed, or what is wrong."""
    finish_reason: str | None = None
    usage: _Usage | None = None


_EVENTS = Decoders(_Event)


class CohereReading(Reading[_Event]):
    def __init__(self, origin: str) -> None:
        super().__init__(origin, _EVENTS)
        self._end: CallEnded | None = None
        self._tools: dict[int, int] = {}

    def take(self, event: _Event, batch: list[CallEvent]) -> None:
        if isinstance(event.message, str):
            self.fail(event.message)
            return
        delta = event.delta or _Delta(event.message, event.finish_reason, event.usage)
        if delta.message is not None:
            self._said(delta.message, event.index, batch)
        if delta.finish_reason is not None:
            reason = _REASONS.get(delta.finish_reason)
            if reason is None:
                self.fail(delta.error or delta.finish_reason)
            else:
                self._end = CallEnded(reason, _counts(delta.usage))

    def end(self) -> CallEnded | None:
        return self._end

    def _said(self, message: _Message, index: int, batch: list[CallEvent]) -> None:
        content = message.content
        if message.tool_plan:
            append_text(batch, ThinkingDelta, message.tool_plan, 0)
        for chunk in content if isinstance(content, list) else [content] if content else []:
            if thought := chunk.thought:
                append_text(batch, ThinkingDelta, thought, 0)
            if chunk.text:
                append_text(batch, AnswerDelta, chunk.text, 0)
        calls = message.tool_calls
        for at, call in enumerate(calls if isinstance(calls, list) else [calls] if calls else []):
            number = self._tools.setdefault(index + at, len(self._tools))
            function = call.function or Function()
            batch.append(ToolCallDelta(number, call.id or "", function.name or "", function.json))


def _counts(usage: _Usage | None) -> Usage | None:
    """All tokens; what is billed is less. Thinking isn't counted apart."""
    if usage is None or usage.tokens is None:
        return None
    tokens = usage.tokens
    return Usage(
        int(tokens.input_tokens or 0), int(usage.cached_tokens or 0), 0, int(tokens.output_tokens or 0)
    )


def _body(call: Call, provider: Provider) -> dict[str, Any]:
    body = chat_body(call, provider)
    if (choice := body.get("tool_choice")) is not None:  # it can't be told which tool
        body["tool_choice"] = choice.upper() if isinstance(choice, str) else "REQUIRED"
    output = call.form.output
    if "response_format" in body and output is not None and output.schema is not None:
        body["response_format"] = {"type": "json_object", "json_schema": output.schema}
    return body


backends.register("cohere")(Cohere)
