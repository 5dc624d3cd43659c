"""Render batches of events as the server-sent events of a streamed response."""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import structs

from perpend.errors import PerpendError, PromptTooLong
from perpend.serving import errors, sse
from perpend.serving.dialects.blocks import Block, BlockStream, Kind, Sent
from perpend.serving.dialects.openai_responses_answer import (
    client_tool,
    compaction,
    empty_item,
    failed_response,
    id_of,
    item,
    response,
    unanswered_response,
    with_bytes,
)
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import (
    OutputText,
    ReasoningText,
    ResponseBody,
    SummaryText,
)
from perpend.serving.dialects.report import encode
from perpend.types import Answer, CustomInputReader, Event, Finished, Started, custom_input

_json = msgspec.json.Encoder().encode


class ResponseStream(BlockStream):
    """Renders one stream (OpenAI's API reference, "Streaming events"). Events are numbered from 0."""

    stream_only_codes: ClassVar[frozenset[str]] = frozenset((PromptTooLong.code,))
    # Codex compacts its conversation on `response.failed`, but not on a 400.

    def __init__(self, parsed: ResponsesParsed) -> None:
        super().__init__(parsed.request.visibility)
        self._parsed = parsed
        self._number = 0
        self._initial_body: ResponseBody | None = None  # the body in the stream's first events
        shown = parsed.request.visibility == "visible"
        self._texts: dict[Kind, str] = {
            "thought": "response.reasoning_text" if shown else "response.reasoning_summary_text",
            "text": "response.output_text",
            "call": "response.function_call_arguments",
        }
        self._shown = shown
        self.eager = parsed.echo.background
        self._heads: dict[int, bytes] = {}  # the constant fields of each block's deltas
        self._custom_inputs: dict[int, CustomInputReader] = {}  # by block: calls of custom tools

    @property
    def keep_alive(self) -> bytes:
        """An event, not a comment: Codex gives up on a stream after five minutes without an event."""
        if self._started is not None:
            started, self._started = self._started, None
            return self.begin(started)
        if self._initial_body is None:
            return sse.KEEP_ALIVE
        return _event("response.in_progress", self._next(), {"response": self._initial_body})

    def begin(self, started: Started) -> bytes:
        return self._begin(started.model)

    def _begin(self, model: str | None = None) -> bytes:
        self._initial_body = body = unanswered_response(self._parsed, "in_progress", model)
        # Later events are rendered, and numbered, before these: `_OPENING` has numbers of its own.
        return b"".join([_event(f"response.{name}", n, {"response": body}) for n, name in _OPENING])

    def block_start(self, at: int, block: Block) -> bytes:
        item = {"item": empty_item(self._parsed, at, block)}
        if block.kind == "call" and client_tool(self._parsed, block).kind == "custom":
            self._custom_inputs[at] = CustomInputReader()
        added = self._event("response.output_item.added", at, item)
        if block.kind in self._texts:
            position = encode({"output_index": at, **self._position(at, block), **_logprobs(block)})
            self._heads[at] = b"," + position[1:-1] + b',"delta":'
        part = self._part(block, "")
        return added if part is None else added + self._on_part("added", at, block, part)

    def block_delta(self, at: int, sent: Sent, text: str) -> bytes:
        part = b""
        if self._is_summary(sent.block) and len(sent.pieces) == 1:
            part = self._on_part("added", at, sent.block, SummaryText(""))
        if sent.block.kind == "call":
            if client_tool(self._parsed, sent.block).kind == "tool_search":
                return b""
            if at in self._custom_inputs:
                text = self._custom_inputs[at].feed(text)
                return self._piece(at, _CUSTOM_INPUT, text) if text else b""
        return part + self._piece(at, self._texts[sent.block.kind], text)

    def _piece(self, at: int, kind: str, text: str) -> bytes:
        name = kind.encode() + b".delta"
        # Only the text is encoded; the JSON around it is a template.
        line = b'event: %b\ndata: {"type":"%b","sequence_number":%d%b%b}\n\n'
        return line % (name, name, self._next(), self._heads[at], _json(text))

    def block_end(self, at: int, sent: Sent) -> bytes:
        block = structs.replace(sent.block, text=sent.text)
        end = b""
        summary = self._is_summary(block)
        part = SummaryText(block.text) if summary and block.text else self._part(block, block.text)
        if block.kind == "call":
            end = self._call_done(at, block)
        elif part is not None:
            fields: dict[str, Any] = {"text": block.text, **self._position(at, block), **_logprobs(block)}
            end = self._event(f"{self._texts[block.kind]}.done", at, fields)
            end += self._on_part("done", at, block, part)
        done = {"item": item(self._parsed, at, block)}
        return end + self._event("response.output_item.done", at, done)

    def _call_done(self, at: int, block: Block) -> bytes:
        position, tool = self._position(at, block), client_tool(self._parsed, block)
        if tool.kind == "tool_search":
            return b""
        if tool.kind == "custom":
            rest = self._custom_inputs[at].close()
            last = self._piece(at, _CUSTOM_INPUT, rest) if rest else b""
            done = {"input": custom_input(block.text), **position}
            return last + self._event(f"{_CUSTOM_INPUT}.done", at, done)
        fields = {"arguments": block.text, **position}
        return self._event(f"{self._texts['call']}.done", at, fields)

    def end(self, answer: Answer) -> bytes:
        body = response(answer, self._parsed)
        return _event(f"response.{body.status}", self._next(), {"response": body})

    def end_without_answer(self, body: ResponseBody, error_event: bytes = b"") -> bytes:
        """The end of a stream whose response has no answer."""
        self.done = True
        opening = self._begin() if self._initial_body is None else b""
        return opening + error_event + _event("response.failed", self._next(), {"response": body})

    def fail(self, error: PerpendError) -> bytes:
        """The last events of a failed stream: stock SDKs raise on `error`, Codex on `response.failed`."""
        body, detail = failed_response(error, self._parsed), errors.body_of(error).error
        fields = {"code": detail.code, "message": detail.message, "param": detail.param}
        return self.end_without_answer(body, _event("error", self._next(), {**fields, "error": detail}))

    def _part(self, block: Block, text: str) -> OutputText | ReasoningText | None:
        if block.kind == "text":
            return OutputText(text, logprobs=with_bytes(block))
        return ReasoningText(text) if block.kind == "thought" and self._shown else None

    def _is_summary(self, block: Block) -> bool:
        return block.kind == "thought" and not self._shown

    def _on_part(self, action: str, at: int, block: Block, part: Any) -> bytes:
        kind = "response.reasoning_summary_part" if self._is_summary(block) else "response.content_part"
        return self._event(f"{kind}.{action}", at, {**self._position(at, block), "part": part})

    def _position(self, at: int, block: Block) -> dict[str, Any]:
        """Which item and part an event is about."""
        position: dict[str, Any] = {"item_id": id_of(self._parsed, at, block)}
        if self._is_summary(block):
            position["summary_index"] = 0
        elif block.kind != "call":
            position["content_index"] = 0
        return position

    def _event(self, kind: str, at: int, fields: dict[str, Any]) -> bytes:
        return _event(kind, self._next(), {"output_index": at, **fields})

    def _next(self) -> int:
        self._number += 1
        return self._number + len(_OPENING) - 1


def _logprobs(block: Block) -> dict[str, Any]:
    return {"logprobs": with_bytes(block)} if block.kind == "text" else {}


_CUSTOM_INPUT = "response.custom_tool_call_input"
_OPENING = ((0, "created"), (1, "in_progress"))


def _event(kind: str, number: int, fields: dict[str, Any]) -> bytes:
    body = encode({"type": kind, "sequence_number": number, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), body)


def failed_event(number: int, body: dict[str, Any]) -> bytes:
    """The end of a stream that whoever wrote it left without one."""
    return _event("response.failed", number, {"response": body})


class CompactionStream(ResponseStream):
    """Renders a compaction: its item is opaque, so it is sent whole at the end."""

    def render(self, batch: Sequence[Event]) -> bytes:
        end = next((event.answer for event in batch if isinstance(event, Finished)), None)
        if end is None:
            return b""
        self.done = True
        item = {"item": compaction(end, self._parsed)}
        events = [self._event(f"response.output_item.{name}", 0, item) for name in ("added", "done")]
        return b"".join([self._begin(end.plan.model), *events, self.end(end)])
