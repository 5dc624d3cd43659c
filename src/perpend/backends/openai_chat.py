"""The OpenAI chat wire, as a hundred servers speak it (API reference: chat/create, chat/streaming).

Always streamed upstream, whatever the client asked for: only a stream can be watched, cut at a
budget, and kept as the best answer so far when the upstream dies.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from perpend.backends.contract import Call, CallEvent, Upstream, append_text, backends
from perpend.errors import UpstreamError
from perpend.types import EFFORTS, AnswerDelta, CallEnded, Effort, ThinkingDelta, Usage


class OpenAIChat:
    continues = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        end = _End()
        url = f"{await self._upstream.url()}/chat/completions"
        reads = self._upstream.http.stream_sse(url, _ENCODER.encode(_body(call)), self._upstream.account)
        async with aclosing(reads):
            async for payloads in reads:
                if batch := _read(payloads, end):
                    yield batch
                if end.failure is not None:
                    raise end.failure
        if end.finish_reason is None:
            raise UpstreamError(f"{url} ended the stream in the middle", hint="the answer so far is kept")
        reason = "length" if end.finish_reason == "length" else "stop"
        yield [CallEnded(reason, _usage(end.usage), end.model)]

    async def count_input(self, call: Call) -> int | None:
        """The wire has no tokenizer to ask."""
        return None


class _TokenDetails(Struct):
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    completion_tokens_details: _TokenDetails | None = None
    prompt_tokens_details: _TokenDetails | None = None


class _Delta(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Failure(Struct):
    message: str = "unknown error"


class _Chunk(Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list[_Choice])
    usage: _Usage | None = None
    model: str | None = None
    error: _Failure | str | None = None


class _End:
    """What the stream has said so far about its end."""

    __slots__ = ("failure", "finish_reason", "model", "usage")

    def __init__(self) -> None:
        self.failure: UpstreamError | None = None
        """Raised once everything before it was handed on."""
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.usage: _Usage | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Chunk)
_LIST_DECODER = msgspec.json.Decoder(list[_Chunk])


def _chunks(payloads: list[bytes], end: _End) -> list[_Chunk]:
    """Decoded together, since a call for each costs more than its work; one by one where one is damaged."""
    if payloads[-1] == b"[DONE]":
        payloads = payloads[:-1]
    try:
        return _LIST_DECODER.decode(b"[" + b",".join(payloads) + b"]")
    except msgspec.DecodeError:
        pass
    chunks: list[_Chunk] = []
    try:
        for payload in payloads:
            chunks.append(_DECODER.decode(payload))
    except msgspec.DecodeError as error:
        end.failure = UpstreamError(f"the server sent an event that can't be read: {error}")
    return chunks


def _read(payloads: list[bytes], end: _End) -> list[CallEvent]:
    """The events of one read."""
    batch: list[CallEvent] = []
    for chunk in _chunks(payloads, end):
        if chunk.error is not None:
            message = chunk.error if isinstance(chunk.error, str) else chunk.error.message
            end.failure = UpstreamError(f"the server failed in the middle: {message}")
            break
        if chunk.usage is not None:
            end.usage = chunk.usage
        end.model = chunk.model or end.model
        if not chunk.choices:
            continue
        choice = chunk.choices[0]
        if (delta := choice.delta) is not None:
            if thinking := delta.reasoning_content or delta.reasoning:
                append_text(batch, ThinkingDelta, thinking, 0)
            if delta.content:
                append_text(batch, AnswerDelta, delta.content, 0)
        if choice.finish_reason is not None:
            end.finish_reason = choice.finish_reason
    return batch


def _body(call: Call) -> dict[str, Any]:
    family, sampling = call.family, call.sampling
    body: dict[str, Any] = {
        "model": call.model,
        "messages": call.messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        family.max_tokens_field: call.max_tokens,
    }
    if family.budget_field:
        body[family.budget_field] = call.thinking_tokens
    if family.effort_field:
        body[family.effort_field] = _nearest_effort(call.effort, family.efforts)
    if not family.sampling_fixed:
        if sampling.temperature is not None:
            body["temperature"] = sampling.temperature
        if sampling.top_p is not None:
            body["top_p"] = sampling.top_p
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = sampling.stop
    return body


@cache
def _nearest_effort(effort: Effort, accepted: tuple[Effort, ...]) -> Effort:
    """The highest accepted effort that isn't above the asked one, else the lowest accepted."""
    ranked: list[Effort] = [word for word in EFFORTS if word in accepted]
    below: list[Effort] = [word for word in ranked if EFFORTS.index(word) <= EFFORTS.index(effort)]
    return below[-1] if below else ranked[0]


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    output, given = usage.completion_tokens_details, usage.prompt_tokens_details
    thinking = min((output.reasoning_tokens or 0) if output else 0, usage.completion_tokens)
    cached = (given.cached_tokens or 0) if given else 0
    return Usage(usage.prompt_tokens, cached, thinking, usage.completion_tokens - thinking)


backends.register("openai_chat")(OpenAIChat)
