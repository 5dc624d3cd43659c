"""From batches of events to the server-sent events of a streamed chat completion.

A delta costs one small JSON string: what surrounds it is encoded once per stream.
"""

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import UNSET

from perpend.errors import PerpendError
from perpend.serving import errors, sse
from perpend.serving.dialects.openai_chat_answer import (
    finish_reason,
    last_chunk,
    other_choices,
    reasoning_details,
    reply,
)
from perpend.serving.dialects.openai_chat_schema import ChoiceLogprobs, ReasoningDetail
from perpend.serving.dialects.report import encode, shown_thinking
from perpend.types import (
    Answer,
    AnswerDelta,
    AnswerLogprobs,
    CustomInputReader,
    Event,
    Finished,
    Progress,
    ProviderStateDelta,
    Started,
    SummaryDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Visibility,
)

_json = msgspec.json.Encoder().encode
_NOT_FINISHED = b'},"finish_reason":null}]}'


class ChatStream:
    """Renders one stream. Only the first candidate is streamed as it comes; what its deltas lack of
    the answer goes out at the end, so all of it always equals a completion that isn't streamed. Choices beside it
    follow whole.
    """

    keep_alive = sse.KEEP_ALIVE
    stream_only_codes: ClassVar[frozenset[str]] = frozenset()

    __slots__ = (
        "_answer_head",
        "_answer_sent",
        "_arguments_sent",
        "_call_ids",
        "_chunk",
        "_custom",
        "_delta_head",
        "_details_sent",
        "_free",
        "_functions",
        "_include_usage",
        "_logprobs_sent",
        "_opening",
        "_tail",
        "_thinking_head",
        "_thinking_sent",
        "_thought_began",
        "_visibility",
        "done",
    )

    def __init__(
        self,
        visibility: Visibility,
        include_usage: bool,
        *,
        functions: bool = False,
        custom: frozenset[str] = frozenset(),
    ) -> None:
        """`functions`: tool calls are told as clients know them that sent those; `custom`: the tools of free text."""
        self._visibility: Visibility = visibility
        self._include_usage = include_usage
        self._chunk = self._opening = self._delta_head = self._answer_head = self._thinking_head = b""
        self._tail = (b'},"finish_reason":null}],"usage":null}' if include_usage else _NOT_FINISHED) + b"\n\n"
        self._answer_sent = self._thinking_sent = self._details_sent = self._logprobs_sent = 0
        self._functions = functions
        self._custom = custom
        self._free: dict[int, CustomInputReader] = {}  # calls of custom tools
        self._thought_began: int | None = None  # in the thinking sent; None: no thought is open
        self._arguments_sent: list[int] = []
        self._call_ids: list[str] = []
        self.done = False

    def render(self, batch: Sequence[Event]) -> bytes:
        """What the batch looks like on the wire; empty when nothing of it is for the client.

        The opening chunk waits for the first event after it: an upstream that refuses at once
        can then still be answered with an HTTP error.
        """
        parts: list[bytes] = []
        for event in batch:
            if isinstance(event, ThinkingDelta):
                if self._visibility == "visible":
                    if self._thought_began is None:
                        self._thought_began = self._thinking_sent
                    self._think(event.text, parts)
            elif isinstance(event, AnswerDelta):
                self._thought_began = None
                self._say(event.text, parts)
            elif isinstance(event, ToolCallDelta):
                self._call(event, parts)
            elif isinstance(event, ProviderStateDelta):
                self._provider_state(event, parts)
            elif isinstance(event, Progress):
                parts.append(sse.comment(b"progress", event))
            elif isinstance(event, SummaryDelta):
                if self._visibility == "summary":
                    self._think(event.text, parts)
            elif isinstance(event, AnswerLogprobs):
                self._weigh(tuple(event.tokens), parts)
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
        self._delta_head = delta
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

    def _call(self, event: ToolCallDelta, parts: list[bytes]) -> None:
        sent = self._arguments_sent
        if event.index >= len(sent):
            self._thought_began = None
            sent.append(0)
            self._call_ids.append(event.id)
            first: dict[str, object] = {"index": event.index, "id": event.id}
            if event.name in self._custom:
                self._free[event.index] = CustomInputReader()
                self._write(event.index, event.arguments, parts, {**first, "type": "custom"}, name=event.name)
            else:
                function = {"name": event.name, "arguments": event.arguments}
                self._piece({**first, "type": "function", "function": function}, parts)
        elif event.arguments and event.index in self._free:
            self._write(event.index, event.arguments, parts)
        elif event.arguments:
            self._piece({"index": event.index, "function": {"arguments": event.arguments}}, parts)
        sent[event.index] += len(event.arguments)
        if event.provider_state is not None:
            origin, data = event.provider_state.origin, event.provider_state.data
            index, of = self._details_sent, self._call_ids[event.index]
            self._details(
                ReasoningDetail(index=index, part="tool_call", origin=origin, data=data, tool_call=of), parts
            )

    def _write(
        self, at: int, arguments: str, parts: list[bytes], first: dict[str, object] | None = None, **name: str
    ) -> None:
        """What the arguments add to a custom tool's input."""
        text = self._free[at].feed(arguments)
        if text or first:
            self._piece({**(first or {"index": at}), "custom": {**name, "input": text}}, parts)

    def _piece(self, piece: dict[str, object], parts: list[bytes]) -> None:
        if self._functions:
            if piece["index"] == 0:
                parts += (self._delta_head, b'"function_call":', encode(piece["function"]), self._tail)
            return
        parts += (self._delta_head, b'"tool_calls":[', encode(piece), b"]", self._tail)

    def _weigh(self, tokens: tuple[TokenLogprob, ...], parts: list[bytes]) -> None:
        if tokens:
            self._logprobs_sent += len(tokens)
            parts += (
                self._delta_head,
                b'"content":""},"logprobs":',
                encode(ChoiceLogprobs(tokens)),
                self._tail[1:],
            )

    def _details(self, detail: ReasoningDetail, parts: list[bytes]) -> None:
        self._details_sent += 1
        parts += (self._delta_head, b'"reasoning_details":[', encode(detail), b"]", self._tail)

    def _provider_state(self, event: ProviderStateDelta, parts: list[bytes]) -> None:
        began, sent = self._thought_began, self._thinking_sent
        self._thought_began = None
        shown = event.part == "thought" and self._visibility == "visible"
        detail = ReasoningDetail(
            index=self._details_sent,
            part=event.part,
            origin=event.provider_state.origin,
            data=event.provider_state.data,
            span=(sent if began is None else began, sent) if shown else UNSET,
        )
        self._details(detail, parts)

    def _finish(self, answer: Answer, parts: list[bytes]) -> None:
        self._think(shown_thinking(answer, self._visibility)[self._thinking_sent :], parts)
        self._say(answer.text[self._answer_sent :], parts)
        for index, call in enumerate(answer.tool_calls):
            done = self._arguments_sent[index] if index < len(self._arguments_sent) else 0
            if index >= len(self._arguments_sent) or done < len(call.arguments):
                self._call(ToolCallDelta(index, call.id, call.name, call.arguments[done:]), parts)
        for at, free in self._free.items():
            if rest := free.close():
                self._piece({"index": at, "custom": {"input": rest}}, parts)
        for detail in reasoning_details(answer, self._visibility)[self._details_sent :]:
            self._details(detail, parts)
        self._weigh(answer.logprobs[self._logprobs_sent :], parts)
        for index, other in enumerate(other_choices(answer), 1):
            self._whole(index, other, parts)
        parts += (self._chunk, b',"choices":[{"index":0,"delta":{},"finish_reason":"')
        parts += (finish_reason(answer, functions=self._functions).encode(), b'"}]')
        if self._include_usage:
            parts.append(b',"usage":null')
        parts += last_chunk(answer, self._chunk, apart=self._include_usage)
        self.done = True

    def _whole(self, index: int, answer: Answer, parts: list[bytes]) -> None:
        """A choice beside the answer: all of it, and how it ended."""
        delta: dict[str, Any] = msgspec.to_builtins(
            reply(answer, self._visibility, functions=self._functions, custom=self._custom)
        )
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        said: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": None}
        if answer.logprobs:
            said["logprobs"] = ChoiceLogprobs(answer.logprobs)
        reason = finish_reason(answer, functions=self._functions)
        ended: dict[str, Any] = {"index": index, "delta": {}, "finish_reason": reason}
        end = b'],"usage":null}\n\n' if self._include_usage else b"]}\n\n"
        for choice in (said, ended):
            parts += (self._chunk, b',"choices":[', encode(choice), end)
