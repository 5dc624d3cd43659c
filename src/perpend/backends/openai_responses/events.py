"""Reads responses on the OpenAI responses wire, streamed or not.

Reference: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from typing import Any

from msgspec import Raw, Struct

from perpend.backends.call_pieces import arguments_text
from perpend.backends.contract import Call, CallEvent
from perpend.backends.lenient import Lenient, type_of
from perpend.backends.openai_chat.events import THOUGHTS, Chunk, logprobs_in
from perpend.backends.speech import Speech
from perpend.backends.stream_decoder import Decoders, StreamDecoder, merged
from perpend.providers.provider import Provider
from perpend.transport.failures import failure, malformed, refusal, says
from perpend.types import CallEnded, CustomArgumentsWriter, ServerStop, Usage


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
    error: Any = None
    output: list[Raw] | None = None


class _Part(Chunk):
    refusal: str | None = None
    logprobs: Any = None

    @property
    def refuses(self) -> bool:
        return self.type == "refusal" or bool(self.refusal)


class _Item(Struct):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Raw = Raw()
    input: str | None = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    reasoning_content: str | None = None
    """The thinking in a separate field, as in the next three fields."""
    reasoning: str | None = None
    thinking: str | None = None
    text: str | None = None
    encrypted_content: str | None = None

    @property
    def thought(self) -> str:
        """The thinking, else its summary."""
        parts = (
            ["".join(part.thought_and_text) for part in part_list or ()]
            for part_list in (self.content, self.summary)
        )
        joined = (_BETWEEN.join(filter(None, texts)) for texts in parts)
        fields = (self.reasoning_content, self.reasoning, self.thinking, self.text)
        return next(filter(None, (*joined, *fields)), "")


class ResponsesEvent(Struct):
    type: str = ""
    sequence_number: int = -1
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: Raw = Raw()
    input: str | None = None
    """Events that end a streamed part repeat its content in this field and the four before it."""
    logprobs: Any = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: Raw = Raw()
    part: _Part | None = None
    response: _Response | None = None
    error: Any = None
    message: str | None = None
    code: str | int | None = None


_EVENTS = Decoders(ResponsesEvent)
_ITEM = Lenient(_Item)
_ITEM_SIGNS = {
    "custom_tool_call": ("input",),
    "function_call": ("arguments",),
    "reasoning": ("summary", "encrypted_content", "reasoning_content", "reasoning", "thinking"),
    "message": ("content",),
}
_RESPONSE = Lenient(_Response)
_UNFINISHED = ("queued", "in_progress")
_MOST_LIKELY = 20
_BETWEEN = "\n\n"
"""Separates the parts of a summary."""
_TEXTS = {
    "response.output_text": "message",
    "response.refusal": "message",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
}
"""Names of streamed events -> their kind of text; for thinking see `_thought`."""
_ENDS = ("completed", "incomplete", "failed", "cancelled", "done")
"""Last words of the names of events that end a response; statuses of an ended response."""


def _thought(name: str) -> str | None:
    """Returns the kind of thinking by the name of an event or the type of a part; None where it isn't thinking."""
    if "summary" in name:
        return "summary"
    return "reasoning_text" if any(word in name for word in THOUGHTS) else None


class ResponsesDecoder(StreamDecoder[ResponsesEvent]):
    """Decodes events; content that wasn't streamed is read at the end of its part, its item or the response."""

    def __init__(self, call: Call, provider: Provider) -> None:
        super().__init__(provider.name, _EVENTS, Speech(call, provider))
        self._end: CallEnded | None = None
        self._usage: _Usage | None = None
        self._text_kinds: dict[int, str] = {}  # the kind of text of each item, by index
        self._streamed_parts: set[tuple[int, str, int]] = set()  # item index, kind, part index
        self._items: dict[str, list[int]] = {}  # indices of the items of each type
        self._finished_items: set[int] = set()  # indices of completely read items
        self._custom_inputs: dict[int, CustomArgumentsWriter] = {}  # by item index, for calls of custom tools
        self._refused = False

    def read_object(self, body: bytes) -> list[CallEvent]:
        """Decodes one object; an unfinished background response has no events. Raises UpstreamError."""
        try:
            response = self.mended(body, _RESPONSE)
        except ValueError as error:
            raise malformed(self._origin, error) from error
        if response.status is None and says(response.error):
            raise failure("the server refused", response.error)
        if response.status is None and response.output is None:
            raise refusal(self._origin, body, status=200)
        batch: list[CallEvent] = []
        self.pending = response.status in _UNFINISHED
        self._finish(response, response.status or "", batch)
        return batch

    def end(self) -> CallEnded | None:
        if self._end is None and self.done and (self._text_kinds or self.speech.calls.count):
            return self._ended("stop", None)
        return self._end

    def take(self, event: ResponsesEvent, batch: list[CallEvent]) -> None:
        name, at = event.type, event.output_index
        if event.response is not None:
            name = name or f"response.{event.response.status}"
            self._usage = merged(self._usage, event.response.usage)
        what, _, how = name.rpartition(".")
        if event.part is not None:
            self._part(at, how, event, event.part, batch)
        elif how in ("delta", "done") and (kind := _TEXTS.get(what) or _thought(what)) is not None:
            if how == "delta" and event.delta:
                self._text(at, kind, event, event.delta, batch)
            elif how == "done":
                text = event.text or event.refusal or event.input or arguments_text(event.arguments)
                self._text_done(at, kind, event, text, batch)
        elif name == "response.output_item.added" and event.item:
            self._added(at, _item(event.item), batch)
        elif name == "response.output_item.done" and event.item:
            self._take_finished(at, event.item, batch)
        elif what == "response" and how in _ENDS:
            self._finish(event.response or _Response(), how, batch)
            self.done = self._end is not None
        elif name == "error" or says(event.error):
            error = {"message": event.message, "code": event.code}
            self.failure = failure("the server failed in the middle", event.error or error)

    def _part(self, at: int, how: str, event: ResponsesEvent, part: _Part, batch: list[CallEvent]) -> None:
        """Handles the begin or the end of an item's part."""
        kind = _thought(part.type) or (
            "reasoning_text" if at in self._items.get("reasoning", ()) else "message"
        )
        if how == "done":
            self._text_done(at, kind, event, "".join(part.thought_and_text) or part.refusal or "", batch)
        elif kind == "summary" and event.summary_index and self._text_kinds.get(at) == kind:
            self.speech.thought(_BETWEEN, batch)

    def _text(self, at: int, kind: str, event: ResponsesEvent, text: str, batch: list[CallEvent]) -> None:
        part = event.summary_index if kind == "summary" else event.content_index
        self._streamed_parts.add((at, kind, part))
        self._register(at, {"arguments": "function_call", "input": "custom_tool_call"}.get(kind, kind))
        if kind == "message":
            self._text_kinds[at] = kind
            part_refuses = event.part is not None and event.part.refuses
            self._refused = self._refused or part_refuses or event.type.startswith("response.refusal")
            self.speech.answer(text, batch)
            self._add_logprobs(event.logprobs, batch)
        elif kind in ("reasoning_text", "summary"):
            if self._text_kinds.setdefault(at, kind) == kind:  # the thinking itself or its summary, not both
                self.speech.thought(text, batch)
        elif kind == "input":
            self._add_input(at, text, batch)
        else:
            self._text_kinds[at] = kind
            self.speech.call(batch, at, "", "", text)

    def _text_done(
        self, at: int, kind: str, event: ResponsesEvent, text: str, batch: list[CallEvent]
    ) -> None:
        """Takes the text of a finished part, unless it was streamed."""
        part = event.summary_index if kind == "summary" else event.content_index
        if not text or (at, kind, part) in self._streamed_parts or at in self._finished_items:
            return
        if kind == "summary" and part and self._text_kinds.get(at) == kind:
            text = _BETWEEN + text
        self._text(at, kind, event, text, batch)

    def _register(self, at: int, kind: str) -> None:
        """Notes the type of the item at this index."""
        type_ = "reasoning" if kind in ("reasoning_text", "summary") else kind
        indices = self._items.setdefault(type_, [])
        if at not in indices:
            indices.append(at)

    def _added(self, at: int, item: _Item, batch: list[CallEvent]) -> None:
        self._register(at, item.type)
        if item.type in ("function_call", "custom_tool_call"):
            arguments = arguments_text(item.arguments)
            self.speech.call(batch, at, item.call_id or item.id or "", item.name or "", arguments)

    def _add_input(self, at: int, text: str, batch: list[CallEvent]) -> None:
        """Adds a custom tool's free text as a function's arguments."""
        writer = self._custom_inputs.setdefault(at, CustomArgumentsWriter())
        self.speech.call(batch, at, "", "", writer.feed(text))

    def _take_finished(self, at: int, raw: Raw, batch: list[CallEvent]) -> None:
        item = _item(raw)
        if at in self._finished_items and at in self._items.get(item.type, ()):
            return
        self._finished_items.add(at)
        parts = item.content or []
        if item.type in ("function_call", "custom_tool_call"):
            self._added(at, item, batch)
        else:
            self._register(at, item.type)
        if item.type == "custom_tool_call":
            if at not in self._custom_inputs:
                self._add_input(at, item.input or "", batch)
            self.speech.call(batch, at, "", "", self._custom_inputs.pop(at).close())
        elif item.type == "reasoning":
            if at not in self._text_kinds and (text := item.thought):
                self._text_kinds[at] = item.type
                self.speech.thought(text, batch)
            if item.encrypted_content or parts:
                self.add_provider_state(bytes(raw).decode(), batch)
        elif item.type == "message" and at not in self._text_kinds:
            for part in parts:
                self._refused = self._refused or part.refuses
                thought, text = part.thought_and_text
                if thought:
                    self.speech.thought(thought, batch)
                if text := text or part.refusal or "":
                    self._text_kinds[at] = item.type
                    self.speech.answer(text, batch)
                self._add_logprobs(part.logprobs, batch)

    def _finish(self, response: _Response, how: str, batch: list[CallEvent]) -> None:
        """Handles the end of the response. `how`: the status where the response has none."""
        status = response.status or how
        if status in _UNFINISHED:
            return
        self._usage = merged(self._usage, response.usage)
        if status in ("failed", "cancelled") or says(response.error):
            self.failure = failure("the server failed in the middle", response.error or status)
            return
        self._take_unstreamed(response.output or [], batch)
        reason: ServerStop = "stop"
        if status == "incomplete":
            incomplete_reason = response.incomplete_details.reason if response.incomplete_details else None
            reason = "content_filter" if incomplete_reason == "content_filter" else "length"
        self._end = self._ended(reason, response.model)

    def _take_unstreamed(self, output: list[Raw], batch: list[CallEvent]) -> None:
        """Takes the items that weren't streamed; items of each type are in the order in which they were streamed."""
        unfinished = {kind: [*indices] for kind, indices in self._items.items()}
        used = {index_used for indices in unfinished.values() for index_used in indices}
        for index, raw in enumerate(output):
            indices = unfinished.get(_item(raw).type) or []
            new_index = index if index not in used else max(used) + 1 + index
            self._take_finished(indices.pop(0) if indices else new_index, raw, batch)

    def _add_logprobs(self, logprobs: Any, batch: list[CallEvent]) -> None:
        """Adds log-probabilities, which are present only if requested."""
        if logprobs:
            self.speech.add_logprobs(logprobs_in({"content": logprobs}).tokens(_MOST_LIKELY), batch)

    def _ended(self, reason: ServerStop, model: str | None) -> CallEnded:
        if reason == "stop":
            reason = (
                "tool_calls" if self.speech.calls.count else "content_filter" if self._refused else "stop"
            )
        return CallEnded(reason, _counts(self._usage), model)


def _item(raw: Raw) -> _Item:
    """Decodes an item; returns an empty one for an unknown shape."""
    try:
        item = _ITEM.decode(raw)
    except ValueError:
        return _Item()
    item.type = type_of(item, _ITEM_SIGNS)
    return item


def _counts(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    input_details, output = usage.input_tokens_details, usage.output_tokens_details
    total = usage.output_tokens or 0
    thinking = min((output and output.reasoning_tokens) or 0, total)
    return Usage(
        usage.input_tokens or 0,
        (input_details and input_details.cached_tokens) or 0,
        thinking,
        total - thinking,
    )
