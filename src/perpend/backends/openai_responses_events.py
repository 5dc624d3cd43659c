"""What a response on the OpenAI responses wire says, streamed or whole (API reference: responses-streaming)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from perpend.backends.contract import CallEvent, append_text
from perpend.backends.openai_chat_events import Failure, Logprobs, Reason
from perpend.backends.reading import Decoders, Reading
from perpend.backends.refusals import failure, malformed
from perpend.types import (
    AnswerDelta,
    CallEnded,
    Carried,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    Weighed,
    Wrapping,
)


class _Details(Struct):
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Incomplete(Struct):
    reason: str | None = None


class _Response(Struct):
    id: str | None = None
    status: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: Failure | str | None = None
    output: list[Raw] | None = None


class _Part(Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    logprobs: Any = None


class _Item(Struct):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    encrypted_content: str | None = None


class Event(Struct):
    type: str = ""
    sequence_number: int = -1
    delta: Any = None
    logprobs: Any = None
    output_index: int = 0
    summary_index: int = 0
    item: Raw = Raw()
    response: _Response | None = None
    error: Failure | str | None = None
    message: str | None = None
    code: str | int | None = None


_EVENTS = Decoders(Event)
_ITEM = msgspec.json.Decoder(_Item)
_RESPONSE = msgspec.json.Decoder(_Response)
_MOST_LIKELY = 20
_BETWEEN = "\n\n"
"""Stands between the parts of a summary."""


class ResponsesReading(Reading[Event]):
    """An item whose text didn't come in pieces is read from its end."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin, _EVENTS)
        self._end: CallEnded | None = None
        self._said: dict[int, str] = {}  # which kind of text an item gave
        self._tools: dict[int, int] = {}
        self._free: dict[int, Wrapping] = {}  # calls of custom tools
        self._refused = False

    def whole(self, body: bytes) -> list[CallEvent]:
        """Raises UpstreamError. A background response that isn't done has no events yet."""
        try:
            response = _RESPONSE.decode(body)
        except ValueError as error:
            raise malformed("the server", error) from error
        if response.status is None and response.error is not None:
            raise failure("the server refused", response.error)
        batch: list[CallEvent] = []
        for index, item in enumerate(response.output or []):
            self._done(index, item, batch)
        self._finish(response)
        if self.failure is not None:
            raise self.failure
        return [*batch, self._end] if self._end is not None else batch

    def end(self) -> CallEnded | None:
        return self._end

    def take(self, event: Event, batch: list[CallEvent]) -> None:
        name, at = event.type, event.output_index
        if name == "response.output_text.delta":
            self._said[at] = name
            append_text(batch, AnswerDelta, str(event.delta), 0)
            _weigh(event.logprobs, batch)
        elif name in ("response.reasoning_text.delta", "response.reasoning_summary_text.delta"):
            if self._said.setdefault(at, name) == name:  # the thought itself or its summary, not both
                append_text(batch, ThinkingDelta, str(event.delta), 0)
        elif name == "response.reasoning_summary_part.added":
            if event.summary_index and self._said.get(at) == "response.reasoning_summary_text.delta":
                append_text(batch, ThinkingDelta, _BETWEEN, 0)
        elif name == "response.function_call_arguments.delta":
            self._said[at] = name
            batch.append(ToolCallDelta(self._number(at), arguments=str(event.delta)))
        elif name == "response.custom_tool_call_input.delta":
            self._write(at, str(event.delta), batch)
        elif name == "response.refusal.delta":
            self._said[at], self._refused = name, True
            append_text(batch, AnswerDelta, str(event.delta), 0)
        elif name == "response.output_item.added" and event.item:
            self._added(at, event.item, batch)
        elif name == "response.output_item.done" and event.item:
            self._done(at, event.item, batch)
        elif name in ("response.completed", "response.incomplete", "response.failed") and event.response:
            self._finish(event.response)
        elif name == "error" or event.error is not None:
            told = {"message": event.message, "code": event.code}
            self.failure = failure("the server failed in the middle", event.error or told)

    def _number(self, at: int) -> int:
        return self._tools.setdefault(at, len(self._tools))

    def _added(self, at: int, raw: Raw, batch: list[CallEvent]) -> None:
        item = _item(raw)
        if item.type in ("function_call", "custom_tool_call") and at not in self._tools:
            batch.append(ToolCallDelta(self._number(at), item.call_id or item.id or "", item.name or ""))

    def _write(self, at: int, text: str, batch: list[CallEvent]) -> None:
        """A custom tool's free text, as a function's arguments."""
        wrapping = self._free.setdefault(at, Wrapping())
        batch.append(ToolCallDelta(self._number(at), arguments=wrapping.feed(text)))

    def _done(self, at: int, raw: Raw, batch: list[CallEvent]) -> None:
        item = _item(raw)
        parts = item.content or []
        if item.type == "function_call":
            self._added(at, raw, batch)
            if at not in self._said and item.arguments:
                batch.append(ToolCallDelta(self._number(at), arguments=item.arguments))
        elif item.type == "custom_tool_call":
            self._added(at, raw, batch)
            if at not in self._free:
                self._write(at, item.input or "", batch)
            batch.append(ToolCallDelta(self._number(at), arguments=self._free.pop(at).close()))
        elif item.type == "reasoning":
            if at not in self._said:
                texts = [part.text or "" for part in parts or item.summary or []]
                if text := _BETWEEN.join(texts):
                    append_text(batch, ThinkingDelta, text, 0)
            if item.encrypted_content or parts:
                batch.append(Carried(self.carry(bytes(raw).decode())))
        elif item.type == "message" and at not in self._said:
            for part in parts:
                self._refused = self._refused or part.type == "refusal"
                if text := part.text or part.refusal:
                    append_text(batch, AnswerDelta, text, 0)
                _weigh(part.logprobs, batch)

    def _finish(self, response: _Response) -> None:
        status = response.status
        if status in ("queued", "in_progress"):
            return
        if status in ("failed", "cancelled") or response.error is not None:
            self.failure = failure("the server failed in the middle", response.error or str(status))
            return
        reason: Reason = "tool_calls" if self._tools else "content_filter" if self._refused else "stop"
        if status == "incomplete":
            why = response.incomplete_details.reason if response.incomplete_details else None
            reason = "content_filter" if why == "content_filter" else "length"
        self._end = CallEnded(reason, _counts(response.usage), response.model)


def _weigh(logprobs: Any, batch: list[CallEvent]) -> None:
    """There are some where they were asked for."""
    if logprobs:
        batch.append(Weighed(msgspec.convert({"content": logprobs}, Logprobs).tokens(_MOST_LIKELY)))


def _item(raw: Raw) -> _Item:
    """One of a kind that isn't read here may have any shape."""
    try:
        return _ITEM.decode(raw)
    except ValueError:
        return _Item()


def _counts(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    given, output = usage.input_tokens_details, usage.output_tokens_details
    total = usage.output_tokens or 0
    thinking = min((output and output.reasoning_tokens) or 0, total)
    return Usage(usage.input_tokens or 0, (given and given.cached_tokens) or 0, thinking, total - thinking)
