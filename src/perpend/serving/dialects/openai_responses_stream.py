"""From batches of events to the server-sent events of a streamed response."""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import structs

from perpend.errors import PerpendError, PromptTooLong
from perpend.serving import errors, sse
from perpend.serving.dialects.blocks import Block, BlockStream, Kind, Sent
from perpend.serving.dialects.openai_responses_answer import (
    called,
    compaction,
    empty_item,
    failed,
    id_of,
    item,
    response,
    unfinished,
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
    tells: ClassVar[frozenset[str]] = frozenset((PromptTooLong.code,))
    # Codex shortens a conversation for `response.failed`, never for a 400.

    def __init__(self, parsed: ResponsesParsed) -> None:
        super().__init__(parsed.request.visibility)
        self._parsed = parsed
        self._number = 0
        self._begun: ResponseBody | None = None  # as the stream said it at its beginning
        shown = parsed.request.visibility == "visible"
        self._texts: dict[Kind, str] = {
            "thought": "response.reasoning_text" if shown else "response.reasoning_summary_text",
            "text": "response.output_text",
            "call": "response.function_call_arguments",
        }
        self._shown = shown
        self.eager = parsed.echo.background
        self._heads: dict[int, bytes] = {}  # where a block's deltas belong
        self._free: dict[int, CustomInputReader] = {}  # the blocks that call custom tools

    @property
    def keep_alive(self) -> bytes:
        """An event: Codex gives up on a stream that has had none for five minutes, whatever its comments say."""
        if self._started is not None:
            started, self._started = self._started, None
            return self.begin(started)
        if self._begun is None:
            return sse.KEEP_ALIVE
        return _event("response.in_progress", self._next(), {"response": self._begun})

    def begin(self, started: Started) -> bytes:
        return self._begin(started.model)

    def _begin(self, model: str | None = None) -> bytes:
        self._begun = fresh = unfinished(self._parsed, "in_progress", model)
        # The first event was numbered before this one is written: it opens the stream, from 0.
        return b"".join([_event(f"response.{name}", n, {"response": fresh}) for n, name in _OPENING])

    def opened(self, at: int, block: Block) -> bytes:
        fresh = {"item": empty_item(self._parsed, at, block)}
        if block.kind == "call" and called(self._parsed, block).kind == "custom":
            self._free[at] = CustomInputReader()
        added = self._event("response.output_item.added", at, fresh)
        if block.kind in self._texts:
            where = encode({"output_index": at, **self._where(at, block), **_logprobs(block)})
            self._heads[at] = b"," + where[1:-1] + b',"delta":'
        part = self._part(block, "")
        return added if part is None else added + self._on_part("added", at, block, part)

    def grown(self, at: int, sent: Sent, text: str) -> bytes:
        before = b""
        if self._is_summary(sent.block) and len(sent.pieces) == 1:
            before = self._on_part("added", at, sent.block, SummaryText(""))
        if sent.block.kind == "call":
            if called(self._parsed, sent.block).kind == "tool_search":
                return b""
            if at in self._free:
                text = self._free[at].feed(text)
                return self._piece(at, _FREE, text) if text else b""
        return before + self._piece(at, self._texts[sent.block.kind], text)

    def _piece(self, at: int, kind: str, text: str) -> bytes:
        name = kind.encode() + b".delta"
        # One small JSON string a delta: what surrounds it is put together, not encoded.
        line = b'event: %b\ndata: {"type":"%b","sequence_number":%d%b%b}\n\n'
        return line % (name, name, self._next(), self._heads[at], _json(text))

    def closed(self, at: int, sent: Sent) -> bytes:
        block = structs.replace(sent.block, text=sent.text)
        out = b""
        summary = self._is_summary(block)
        part = SummaryText(block.text) if summary and block.text else self._part(block, block.text)
        if block.kind == "call":
            out = self._call_done(at, block)
        elif part is not None:
            fields: dict[str, Any] = {"text": block.text, **self._where(at, block), **_logprobs(block)}
            out = self._event(f"{self._texts[block.kind]}.done", at, fields)
            out += self._on_part("done", at, block, part)
        done = {"item": item(self._parsed, at, block)}
        return out + self._event("response.output_item.done", at, done)

    def _call_done(self, at: int, block: Block) -> bytes:
        where, tool = self._where(at, block), called(self._parsed, block)
        if tool.kind == "tool_search":
            return b""
        if tool.kind == "custom":
            rest = self._free[at].close()
            before = self._piece(at, _FREE, rest) if rest else b""
            return before + self._event(f"{_FREE}.done", at, {"input": custom_input(block.text), **where})
        fields = {"arguments": block.text, **where}
        return self._event(f"{self._texts['call']}.done", at, fields)

    def end(self, answer: Answer) -> bytes:
        body = response(answer, self._parsed)
        return _event(f"response.{body.status}", self._next(), {"response": body})

    def over(self, body: ResponseBody, told: bytes = b"") -> bytes:
        """The end of a stream whose response has no answer."""
        self.done = True
        before = self._begin() if self._begun is None else b""
        return before + told + _event("response.failed", self._next(), {"response": body})

    def fail(self, error: PerpendError) -> bytes:
        """The end of a stream that can't go on: stock SDKs raise on an `error` event, Codex on `response.failed`."""
        body, detail = failed(error, self._parsed), errors.body_of(error).error
        flat = {"code": detail.code, "message": detail.message, "param": detail.param}
        return self.over(body, _event("error", self._next(), {**flat, "error": detail}))

    def _part(self, block: Block, text: str) -> OutputText | ReasoningText | None:
        if block.kind == "text":
            return OutputText(text, logprobs=with_bytes(block))
        return ReasoningText(text) if block.kind == "thought" and self._shown else None

    def _is_summary(self, block: Block) -> bool:
        return block.kind == "thought" and not self._shown

    def _on_part(self, what: str, at: int, block: Block, part: Any) -> bytes:
        kind = "response.reasoning_summary_part" if self._is_summary(block) else "response.content_part"
        return self._event(f"{kind}.{what}", at, {**self._where(at, block), "part": part})

    def _where(self, at: int, block: Block) -> dict[str, Any]:
        where: dict[str, Any] = {"item_id": id_of(self._parsed, at, block)}
        if self._is_summary(block):
            where["summary_index"] = 0
        elif block.kind != "call":
            where["content_index"] = 0
        return where

    def _event(self, kind: str, at: int, fields: dict[str, Any]) -> bytes:
        return _event(kind, self._next(), {"output_index": at, **fields})

    def _next(self) -> int:
        self._number += 1
        return self._number + len(_OPENING) - 1


def _logprobs(block: Block) -> dict[str, Any]:
    return {"logprobs": with_bytes(block)} if block.kind == "text" else {}


_FREE = "response.custom_tool_call_input"
_OPENING = ((0, "created"), (1, "in_progress"))


def _event(kind: str, number: int, fields: dict[str, Any]) -> bytes:
    body = encode({"type": kind, "sequence_number": number, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), body)


def failed_event(number: int, body: dict[str, Any]) -> bytes:
    """The end of a stream that whoever wrote it left without one."""
    return _event("response.failed", number, {"response": body})


class CompactionStream(ResponseStream):
    """What stands for a conversation is opaque: it comes whole, in one item."""

    def render(self, batch: Sequence[Event]) -> bytes:
        end = next((event.answer for event in batch if isinstance(event, Finished)), None)
        if end is None:
            return b""
        self.done = True
        made = {"item": compaction(end, self._parsed)}
        events = [self._event(f"response.output_item.{name}", 0, made) for name in ("added", "done")]
        return b"".join([self._begin(end.plan.model), *events, self.end(end)])
