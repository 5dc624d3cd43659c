"""From batches of events to the server-sent events of a streamed chat completion.

A delta costs one small JSON string: what surrounds it is encoded once per stream.
"""

import time
from collections.abc import Sequence

import msgspec

from perpend.errors import PerpendError
from perpend.serving import errors, sse
from perpend.serving.dialects.openai_chat_answer import (
    encode,
    finish_reason,
    perpend_block,
    shown_thinking,
    usage_block,
)
from perpend.types import (
    Answer,
    AnswerDelta,
    Event,
    Finished,
    Progress,
    Started,
    SummaryDelta,
    ThinkingDelta,
    Visibility,
)

_json = msgspec.json.Encoder().encode
_NOT_FINISHED = b'},"finish_reason":null}]}'


class ChatStream:
    """Renders one stream. Only the first candidate is streamed as it comes; what its deltas lack of
    the answer goes out at the end, so the texts always equal those of a completion that isn't streamed.
    """

    __slots__ = (
        "_answer_head",
        "_answer_sent",
        "_chunk",
        "_include_usage",
        "_opening",
        "_tail",
        "_thinking_head",
        "_thinking_sent",
        "_visibility",
        "done",
    )

    def __init__(self, visibility: Visibility, include_usage: bool) -> None:
        self._visibility: Visibility = visibility
        self._include_usage = include_usage
        self._chunk = self._opening = self._answer_head = self._thinking_head = b""
        self._tail = (b'},"finish_reason":null}],"usage":null}' if include_usage else _NOT_FINISHED) + b"\n\n"
        self._answer_sent = self._thinking_sent = 0
        self.done = False

    def render(self, batch: Sequence[Event]) -> bytes:
        """What the batch looks like on the wire; empty when nothing of it is for the client.

        The opening chunk waits for the first event after it: an upstream that refuses at once
        can then still be answered with an HTTP error.
        """
        parts: list[bytes] = []
        for event in batch:
            if isinstance(event, ThinkingDelta):
                if event.candidate == 0 and self._visibility == "visible":
                    self._think(event.text, parts)
            elif isinstance(event, AnswerDelta):
                if event.candidate == 0:
                    self._say(event.text, parts)
            elif isinstance(event, Progress):
                parts.append(sse.comment(b"progress", event))
            elif isinstance(event, SummaryDelta):
                if self._visibility == "summary":
                    self._think(event.text, parts)
            elif isinstance(event, Started):
                self._open(event)
            elif isinstance(event, Finished):
                self._finish(event.answer, parts)
        if parts and self._opening:
            parts.insert(0, self._opening)
            self._opening = b""
        return b"".join(parts)

    def fail(self, error: PerpendError) -> bytes:
        """The end of a stream that can't go on: stock clients raise on a chunk with `error`."""
        self.done = True
        return sse.data(errors.body_of(error)) + sse.DONE

    def _open(self, event: Started) -> None:
        same = msgspec.json.encode(
            {
                "id": f"chatcmpl-{event.request_id}",
                "object": "chat.completion.chunk",
                "created": int(time.time()),
                "model": event.model,
            }
        )
        self._chunk = b"data: " + same[:-1]
        delta = self._chunk + b',"choices":[{"index":0,"delta":{'
        self._thinking_head = delta + b'"reasoning_content":'
        self._answer_head = delta + b'"content":'
        self._opening = delta + b'"role":"assistant","content":""' + self._tail

    def _think(self, text: str, parts: list[bytes]) -> None:
        if text:
            self._thinking_sent += len(text)
            parts += (self._thinking_head, _json(text), self._tail)

    def _say(self, text: str, parts: list[bytes]) -> None:
        if text:
            self._answer_sent += len(text)
            parts += (self._answer_head, _json(text), self._tail)

    def _finish(self, answer: Answer, parts: list[bytes]) -> None:
        self._think(shown_thinking(answer, self._visibility)[self._thinking_sent :], parts)
        self._say(answer.text[self._answer_sent :], parts)
        parts += (self._chunk, b',"choices":[{"index":0,"delta":{},"finish_reason":"')
        parts += (finish_reason(answer).encode(), b'"}]')
        if self._include_usage:  # a chunk without choices is only for clients that asked for it
            parts += (b',"usage":null}\n\n', self._chunk, b',"choices":[]')
        parts += (b',"usage":', encode(usage_block(answer)))
        parts += (b',"perpend":', encode(perpend_block(answer)), b"}\n\n", sse.DONE)
        self.done = True
