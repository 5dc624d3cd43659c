"""Render batches of events as the server-sent events of a streamed Anthropic message."""

from typing import Any

import msgspec

from perpend.errors import PerpendError
from perpend.serving.dialects.anthropic_answer import (
    failure,
    message_id,
    stop_reason,
    stop_sequence,
    usage_block,
)
from perpend.serving.dialects.anthropic_request import MessagesParsed
from perpend.serving.dialects.anthropic_schema import MessageUsage
from perpend.serving.dialects.blocks import Block, BlockStream, Kind, Sent
from perpend.serving.dialects.report import encode, perpend_block
from perpend.types import Answer, Started

_json = msgspec.json.Encoder().encode
_DELTAS: dict[Kind, bytes] = {
    "thought": b'"thinking_delta","thinking":',
    "text": b'"text_delta","text":',
    "call": b'"input_json_delta","partial_json":',
}


class MessageStream(BlockStream):
    """Renders one stream (Anthropic's API reference, "Streaming messages")."""

    def __init__(self, parsed: MessagesParsed) -> None:
        super().__init__(parsed.request.visibility, parsed.thoughts)
        self._parsed = parsed

    @property
    def keep_alive(self) -> bytes:
        return b'event: ping\ndata: {"type":"ping"}\n\n'

    def begin(self, started: Started) -> bytes:
        message: dict[str, Any] = {
            "id": message_id(started.request_id),
            "type": "message",
            "role": "assistant",
            "model": started.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": MessageUsage(0, 0, 0, 0),
        }
        return _event("message_start", {"message": message})

    def block_start(self, at: int, block: Block) -> bytes:
        content: dict[str, Any]
        if block.kind == "thought":
            content = {"type": "thinking", "thinking": "", "signature": ""}
        elif block.kind == "text":
            content = {"type": "text", "text": ""}
        elif block.kind == "call":
            content = {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}
        else:
            content = {"type": "redacted_thinking", "data": block.provider_state}
        return _event("content_block_start", {"index": at, "content_block": content})

    def block_delta(self, at: int, sent: Sent, text: str) -> bytes:
        # Only the text is encoded; the JSON around it is a fixed template.
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
            b"%b%b}}\n\n" % (at, _DELTAS[sent.block.kind], _json(text))
        )

    def block_end(self, at: int, sent: Sent) -> bytes:
        stop = _event("content_block_stop", {"index": at})
        block = sent.block
        if block.kind != "thought" or not block.provider_state:
            return stop
        signature = {"type": "signature_delta", "signature": block.provider_state}
        return _event("content_block_delta", {"index": at, "delta": signature}) + stop

    def end(self, answer: Answer) -> bytes:
        delta = {
            "stop_reason": stop_reason(answer),
            "stop_sequence": stop_sequence(answer, self._parsed.request),
        }
        last: dict[str, Any] = {"delta": delta, "usage": usage_block(answer.usage)}
        if self._parsed.edits is not None:
            last["context_management"] = self._parsed.edits
        last["perpend"] = perpend_block(answer)
        return _event("message_delta", last) + _event("message_stop", {})

    def fail(self, error: PerpendError) -> bytes:
        """The last event of a failed stream: stock clients raise on an `error` event."""
        self.done = True
        return b"event: error\ndata: " + encode(failure(error)) + b"\n\n"


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind, **fields}))
