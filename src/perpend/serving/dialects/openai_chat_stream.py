"""Render batches of events as the server-sent events of a streamed chat completion.

Only a delta's text is encoded: the JSON around it is made once per stream.
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
    """Renders one stream (OpenAI's API reference, "The chat completion chunk object").

    Streams the first candidate as it comes, and at the end what the answer has beyond it, so that the stream adds up to
    the completion that isn't streamed. Other choices follow whole.
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
        "_custom_inputs",
        "_delta_head",
        "_details_sent",
        "_functions",
        "_include_usage",
        "_logprobs_sent",
        "_opening",
        "_tail",
        "_thinking_head",
        "_thinking_sent",
        "_thought_start",
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
        """`functions`: send tool calls as `function_call`; `custom`: the names of custom tools."""
        self._visibility: Visibility = visibility
        self._include_usage = include_usage
        self._chunk = self._opening = self._delta_head = self._answer_head = self._thinking_head = b""
        self._tail = (b'},"finish_reason":null}],"usage":null}' if include_usage else _NOT_FINISHED) + b"\n\n"
        self._answer_sent = self._thinking_sent = self._details_sent = self._logprobs_sent = 0
        self._functions = functions
        self._custom = custom
        self._custom_inputs: dict[int, CustomInputReader] = {}  # by index: calls of custom tools
        self._thought_start: int | None = None  # the open thought, in characters of sent thinking
        self._arguments_sent: list[int] = []
        self._call_ids: list[str] = []
        self.done = False

    def render(self, batch: Sequence[Event]) -> bytes:
        """The batch's bytes on the wire; empty when no event of it is for the client.

        The opening chunk waits for the first event after it, so that an upstream's immediate refusal is still an HTTP
        error.
        """
        parts: list[bytes] = []
        for event in batch:
            if isinstance(event, ThinkingDelta):
                if self._visibility == "visible":
                    if self._thought_start is None:
                        self._thought_start = self._thinking_sent
                    self._add_thinking(event.text, parts)
            elif isinstance(event, AnswerDelta):
                self._thought_start = None
                self._add_text(event.text, parts)
            elif isinstance(event, ToolCallDelta):
                self._call(event, parts)
            elif isinstance(event, ProviderStateDelta):
                self._provider_state(event, parts)
            elif isinstance(event, Progress):
                parts.append(sse.comment(b"progress", event))
            elif isinstance(event, SummaryDelta):
                if self._visibility == "summary":
                    self._add_thinking(event.text, parts)
            elif isinstance(event, AnswerLogprobs):
                self._add_logprobs(tuple(event.tokens), parts)
            elif isinstance(event, Started):
                self._open(event)
            elif isinstance(event, Finished):
                self._finish(event.answer, parts)
        if parts and self._opening:
            parts.insert(0, self._opening)
            self._opening = b""
        return b"".join(parts)

    def fail(self, error: PerpendError) -> bytes:
        """The last bytes of a failed stream: stock clients raise on a chunk with `error`."""
        self.done = True
        return sse.data(errors.body_of(error)) + sse.DONE

    def _open(self, event: Started) -> None:
        constant = msgspec.json.encode(
            {
                "id": f"chatcmpl-{event.request_id}",
                "object": "chat.completion.chunk",
                "created": int(time.time()),
                "model": event.model,
            }
        )
        self._chunk = b"data: " + constant[:-1]
        delta = self._chunk + b',"choices":[{"index":0,"delta":{'
        self._delta_head = delta
        self._thinking_head = delta + b'"reasoning_content":'
        self._answer_head = delta + b'"content":'
        self._opening = delta + b'"role":"assistant","content":""' + self._tail

    def _add_thinking(self, text: str, parts: list[bytes]) -> None:
        if text:
            self._thinking_sent += len(text)
            parts += (self._thinking_head, _json(text), self._tail)

    def _add_text(self, text: str, parts: list[bytes]) -> None:
        if text:
            self._answer_sent += len(text)
            parts += (self._answer_head, _json(text), self._tail)

    def _call(self, event: ToolCallDelta, parts: list[bytes]) -> None:
        sent = self._arguments_sent
        if event.index >= len(sent):
            self._thought_start = None
            sent.append(0)
            self._call_ids.append(event.id)
            first: dict[str, object] = {"index": event.index, "id": event.id}
            if event.name in self._custom:
                self._custom_inputs[event.index] = CustomInputReader()
                self._write(event.index, event.arguments, parts, {**first, "type": "custom"}, name=event.name)
            else:
                function = {"name": event.name, "arguments": event.arguments}
                self._piece({**first, "type": "function", "function": function}, parts)
        elif event.arguments and event.index in self._custom_inputs:
            self._write(event.index, event.arguments, parts)
        elif event.arguments:
            self._piece({"index": event.index, "function": {"arguments": event.arguments}}, parts)
        sent[event.index] += len(event.arguments)
        if event.provider_state is not None:
            origin, data = event.provider_state.origin, event.provider_state.data
            detail = ReasoningDetail(
                index=self._details_sent,
                part="tool_call",
                origin=origin,
                data=data,
                tool_call=self._call_ids[event.index],
            )
            self._detail(detail, parts)

    def _write(
        self, at: int, arguments: str, parts: list[bytes], first: dict[str, object] | None = None, **name: str
    ) -> None:
        """Send what the arguments add to a custom tool's input."""
        text = self._custom_inputs[at].feed(arguments)
        if text or first:
            self._piece({**(first or {"index": at}), "custom": {**name, "input": text}}, parts)

    def _piece(self, piece: dict[str, object], parts: list[bytes]) -> None:
        if self._functions:
            if piece["index"] == 0:
                parts += (self._delta_head, b'"function_call":', encode(piece["function"]), self._tail)
            return
        parts += (self._delta_head, b'"tool_calls":[', encode(piece), b"]", self._tail)

    def _add_logprobs(self, tokens: tuple[TokenLogprob, ...], parts: list[bytes]) -> None:
        if tokens:
            self._logprobs_sent += len(tokens)
            parts += (
                self._delta_head,
                b'"content":""},"logprobs":',
                encode(ChoiceLogprobs(tokens)),
                self._tail[1:],
            )

    def _detail(self, detail: ReasoningDetail, parts: list[bytes]) -> None:
        self._details_sent += 1
        parts += (self._delta_head, b'"reasoning_details":[', encode(detail), b"]", self._tail)

    def _provider_state(self, event: ProviderStateDelta, parts: list[bytes]) -> None:
        start, sent = self._thought_start, self._thinking_sent
        self._thought_start = None
        shown = event.part == "thought" and self._visibility == "visible"
        detail = ReasoningDetail(
            index=self._details_sent,
            part=event.part,
            origin=event.provider_state.origin,
            data=event.provider_state.data,
            span=(sent if start is None else start, sent) if shown else UNSET,
        )
        self._detail(detail, parts)

    def _finish(self, answer: Answer, parts: list[bytes]) -> None:
        self._add_thinking(shown_thinking(answer, self._visibility)[self._thinking_sent :], parts)
        self._add_text(answer.text[self._answer_sent :], parts)
        for index, call in enumerate(answer.tool_calls):
            sent = self._arguments_sent[index] if index < len(self._arguments_sent) else 0
            if index >= len(self._arguments_sent) or sent < len(call.arguments):
                self._call(ToolCallDelta(index, call.id, call.name, call.arguments[sent:]), parts)
        for index, reader in self._custom_inputs.items():
            if rest := reader.close():
                self._piece({"index": index, "custom": {"input": rest}}, parts)
        for detail in reasoning_details(answer, self._visibility)[self._details_sent :]:
            self._detail(detail, parts)
        self._add_logprobs(answer.logprobs[self._logprobs_sent :], parts)
        for index, choice in enumerate(other_choices(answer), 1):
            self._whole_choice(index, choice, parts)
        parts += (self._chunk, b',"choices":[{"index":0,"delta":{},"finish_reason":"')
        parts += (finish_reason(answer, functions=self._functions).encode(), b'"}]')
        if self._include_usage:
            parts.append(b',"usage":null')
        parts += last_chunk(answer, self._chunk, separate=self._include_usage)
        self.done = True

    def _whole_choice(self, index: int, answer: Answer, parts: list[bytes]) -> None:
        """Send a choice beside the answer: its content in one chunk, then its finish reason."""
        delta: dict[str, Any] = msgspec.to_builtins(
            reply(answer, self._visibility, functions=self._functions, custom=self._custom)
        )
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        content: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": None}
        if answer.logprobs:
            content["logprobs"] = ChoiceLogprobs(answer.logprobs)
        reason = finish_reason(answer, functions=self._functions)
        finish: dict[str, Any] = {"index": index, "delta": {}, "finish_reason": reason}
        end = b'],"usage":null}\n\n' if self._include_usage else b"]}\n\n"
        for choice in (content, finish):
            parts += (self._chunk, b',"choices":[', encode(choice), end)
