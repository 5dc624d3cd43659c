"""Raw completion: a prompt goes in, its continuation comes out, so thinking can be cut at the very token.

Two shapes of one wire: llama.cpp's `/completion` (tools/server/README.md there) and the
`/v1/completions` that vLLM and SGLang serve.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Struct

from perpend.backends.contract import Call, CallEvent, Upstream, append_text, backends
from perpend.backends.prompts import begin_answer, chatml, with_family_prompt
from perpend.backends.refusals import failure, malformed
from perpend.backends.tool_text import OPEN, ToolCallParser, as_text, callable_tools, forced, schema_of
from perpend.errors import BadRequest, UpstreamError
from perpend.types import AnswerDelta, CallEnded, Form, Message, ThinkingDelta, ToolCallDelta, Usage

_Reason = Literal["stop", "stop_sequence", "length"]


class _Chunk(Struct, frozen=True):
    """What one streamed event says, in either shape."""

    text: str = ""
    generated: int | None = None
    """Tokens generated so far in this call; None where the server doesn't count as it goes."""
    reason: _Reason | None = None
    usage: Usage | None = None
    model_version: str | None = None
    weighed: dict[str, float] | None = None


class RawCompletion(ABC):
    """The loop that both shapes share; a shape writes the body and reads the events."""

    continues = True
    resumes: ClassVar[bool]
    path: ClassVar[str]

    def __init__(self, upstream: Upstream) -> None:
        self._http = upstream.http
        self._base_url = upstream.url
        self._account = upstream.account

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        base = await self._base_url()
        prompt = begin_answer(await self._prompt(base, call), call.continuation, call.family)
        if call.phase == "answering" and forced(call.form):
            prompt += f"{OPEN}\n"
        body = msgspec.json.encode(self.body(call, prompt))
        delta = ThinkingDelta if call.phase == "thinking" else AnswerDelta
        calls = _parser(call)
        counted = kept = 0  # tokens so far, and those whose text is held back
        last = _Chunk()
        reads = self._http.stream_sse(base + self.path, body, self._account)
        async with aclosing(reads):
            async for payloads in reads:
                batch: list[CallEvent] = []
                broken: UpstreamError | None = None
                for payload in payloads:
                    if payload == b"[DONE]":
                        continue
                    try:
                        chunk = self.read(payload, call)
                    except UpstreamError as error:
                        broken = error  # raised once everything before it was handed on
                        break
                    if chunk.text:
                        generated = counted + 1 if chunk.generated is None else chunk.generated
                        if calls is None:
                            append_text(batch, delta, chunk.text, generated - counted)
                        else:
                            kept = _append_said(batch, calls.feed(chunk.text), kept + generated - counted)
                        counted = generated
                    last = _Chunk(
                        reason=chunk.reason or last.reason,
                        usage=chunk.usage or last.usage,
                        model_version=chunk.model_version or last.model_version,
                        weighed=last.weighed or chunk.weighed,
                    )
                if batch:
                    yield batch
                if broken is not None:
                    raise broken
        if last.reason is None:
            raise UpstreamError(
                f"{base} ended the stream in the middle", hint="see the server's log: it may have died"
            )
        yield _end(calls, kept, last)

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        chunk = self.read(body, call)
        said: list[CallEvent] = []
        tokens = chunk.generated or 0
        if (calls := _parser(call)) is not None:
            tokens = _append_said(said, calls.feed(chunk.text), tokens)
        elif chunk.text:
            delta = ThinkingDelta if call.phase == "thinking" else AnswerDelta
            said.append(delta(chunk.text, tokens))
        return [*said, *_end(calls, tokens, chunk)]

    async def count_input(self, call: Call) -> int | None:
        """Not every server of this wire has a tokenizer to ask."""
        return None

    @abstractmethod
    def body(self, call: Call, prompt: str) -> dict[str, Any]:
        """The request in this shape."""

    @abstractmethod
    def read(self, payload: bytes, call: Call) -> _Chunk:
        """One streamed event in this shape."""

    async def _prompt(self, base: str, call: Call) -> str:
        family = call.family
        if call.form.tools and family.tools == "none":
            hint = "ask a model that does, or leave out tools"
            raise BadRequest(f"models of the family {family.name} call no tools", hint=hint, field="tools")
        thinking = call.continuation.startswith(family.open) and call.continuation != family.skip
        messages = as_text(call.messages, call.form if family.tools != "none" else Form())
        messages = with_family_prompt(messages, family, thinking=thinking)
        if family.template == "server":
            return await self._server_template(base, messages)
        return chatml(messages)

    async def _server_template(self, base: str, messages: tuple[Message, ...]) -> str:
        body = msgspec.json.encode({"messages": messages})
        answer = await self._http.post_json(f"{base}/apply-template", body, self._account)
        return msgspec.json.decode(answer, type=_Template).prompt


class LlamaCompletion(RawCompletion):
    """llama.cpp's own `/completion`: counts every token as it goes and keeps a slot's state."""

    resumes = True
    path = "/completion"

    async def count_input(self, call: Call) -> int | None:
        base = await self._base_url()
        prompt = begin_answer(await self._prompt(base, call), call.continuation, call.family)
        body = msgspec.json.encode({"content": prompt, "add_special": True, "parse_special": True})
        answer = await self._http.post_json(f"{base}/tokenize", body, self._account)
        return len(msgspec.json.decode(answer, type=_Tokens).tokens)

    def body(self, call: Call, prompt: str) -> dict[str, Any]:
        return {
            "prompt": prompt,
            "n_predict": call.max_tokens,
            "stream": True,
            "cache_prompt": True,
            "stop": _stops(call),
            **({"n_probs": call.weighs} if call.weighs else {}),
            **_sampling(call),
            **({} if (schema := _schema(call)) is None else {"json_schema": {**_ONE_LINE, **schema}}),
        }

    def read(self, payload: bytes, call: Call) -> _Chunk:
        event = _decode(_LLAMA, payload)
        if event.error is not None:
            raise failure("the engine failed", event.error)
        first = event.completion_probabilities
        weighed = {one.token: one.logprob for one in first[0].top_logprobs} if first else None
        if not event.stop:
            return _Chunk(event.content, event.tokens_predicted, weighed=weighed)
        return _Chunk(
            event.content,
            event.tokens_predicted,
            _reason(event.stop_type == "limit", event.stopping_word, call),
            _usage(call, event.tokens_evaluated, event.timings.cache_n, event.tokens_predicted),
            event.model.rpartition("/")[2] or None,  # it says the file's whole path
            weighed,
        )


class OpenAICompletion(RawCompletion):
    """`/v1/completions` as vLLM and SGLang serve it; each call is billed whole."""

    resumes = False
    path = "/completions"

    def body(self, call: Call, prompt: str) -> dict[str, Any]:
        return {
            "model": call.model,
            "prompt": prompt,
            "max_tokens": call.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "stop": _stops(call),
            **({"logprobs": call.weighs} if call.weighs else {}),
            **_sampling(call),
            **({} if (schema := _schema(call)) is None else _constraint(schema)),
        }

    def read(self, payload: bytes, call: Call) -> _Chunk:
        event = _decode(_OPENAI, payload)
        if event.error is not None:
            raise failure("the server failed", event.error)
        choice = event.choices[0] if event.choices else _OpenAIChoice()
        tokens = event.usage
        usage = None
        if tokens is not None:
            cached = tokens.prompt_tokens_details.cached_tokens if tokens.prompt_tokens_details else 0
            usage = _usage(call, tokens.prompt_tokens, cached or 0, tokens.completion_tokens)
        reason = None
        if choice.finish_reason is not None:
            word = choice.stop_reason if isinstance(choice.stop_reason, str) else ""
            reason = _reason(choice.finish_reason == "length", word, call)
        generated = tokens.completion_tokens if tokens else None
        weighed = (
            choice.logprobs.top_logprobs[0] if choice.logprobs and choice.logprobs.top_logprobs else None
        )
        return _Chunk(choice.text, generated, reason, usage, event.model, weighed)


class _Failure(Struct):
    message: str = "unknown error"
    type: Any = None
    code: Any = None


class _Template(Struct):
    prompt: str


class _Tokens(Struct):
    tokens: list[int]


class _Timings(Struct):
    cache_n: int = 0


class _Weighed(Struct):
    token: str
    logprob: float


class _Position(Struct):
    top_logprobs: list[_Weighed] = msgspec.field(default_factory=list[_Weighed])


class _LlamaEvent(Struct):
    content: str = ""
    completion_probabilities: list[_Position] = msgspec.field(default_factory=list[_Position])
    stop: bool = False
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    model: str = ""
    stop_type: str = ""
    stopping_word: str = ""
    timings: _Timings = msgspec.field(default_factory=_Timings)
    error: _Failure | None = None


class _OpenAILogprobs(Struct):
    top_logprobs: list[dict[str, float] | None] | None = None


class _OpenAIChoice(Struct):
    text: str = ""
    logprobs: _OpenAILogprobs | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """vLLM: the stop string that matched."""


class _PromptDetails(Struct):
    cached_tokens: int | None = None


class _OpenAIUsage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None


class _OpenAIEvent(Struct):
    choices: list[_OpenAIChoice] = msgspec.field(default_factory=list[_OpenAIChoice])
    usage: _OpenAIUsage | None = None
    model: str | None = None
    error: _Failure | None = None


_E = TypeVar("_E")
_LLAMA = msgspec.json.Decoder(_LlamaEvent)
_OPENAI = msgspec.json.Decoder(_OpenAIEvent)


def _decode(decoder: msgspec.json.Decoder[_E], payload: bytes) -> _E:
    try:
        return decoder.decode(payload)
    except ValueError as error:
        raise malformed("the server", error) from error


def _stops(call: Call) -> list[str]:
    """Thinking ends at the family's close tag; the client's own stop sequences are for the answer."""
    if call.phase == "thinking":
        return [call.family.close, *([call.pause] if call.pause else [])]
    return list(call.sampling.stop)


def _schema(call: Call) -> dict[str, Any] | None:
    """Of the answer; thinking is never bound by it."""
    return schema_of(call.form) if call.phase == "answering" else None


_ONE_LINE = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}
"""llguidance, which the engine is built with: left free, small models fill an answer with blank lines (seen)."""


def _constraint(schema: dict[str, Any]) -> dict[str, Any]:
    """vLLM's name for it and SGLang's; each passes over the other's."""
    return {"structured_outputs": {"json": schema}, "json_schema": msgspec.json.encode(schema).decode()}


def _parser(call: Call) -> ToolCallParser | None:
    """What takes tool calls out of this call's text, where it may hold any."""
    if call.phase != "answering" or not callable_tools(call.form):
        return None
    return ToolCallParser(inside=forced(call.form))


def _end(calls: ToolCallParser | None, tokens: int, last: _Chunk) -> list[CallEvent]:
    """The last words: what was held back, with its tokens, and how it ended."""
    said: list[CallEvent] = []
    reason: _Reason | Literal["tool_calls"] = last.reason or "stop"
    if calls is not None:
        _append_said(said, calls.close(), tokens)
        reason = "tool_calls" if calls.calls and reason == "stop" else reason
    return [*said, CallEnded(reason, last.usage, last.model_version, weighed=last.weighed)]


def _append_said(batch: list[CallEvent], said: list[str | ToolCallDelta], tokens: int) -> int:
    """Adds texts and calls, the first of them with the tokens so far; returns those that are still to be told."""
    for piece in said:
        if isinstance(piece, str):
            append_text(batch, AnswerDelta, piece, tokens)
        else:
            piece.tokens = tokens
            batch.append(piece)
        tokens = 0
    return tokens


def _sampling(call: Call) -> dict[str, Any]:
    sampling = call.sampling
    temperature = call.family.temperature if sampling.temperature is None else sampling.temperature
    knobs = {"temperature": temperature, "top_p": sampling.top_p, "seed": sampling.seed}
    return {name: value for name, value in knobs.items() if value is not None}


def _reason(at_limit: bool, stopping_word: str, call: Call) -> _Reason:
    if at_limit:
        return "length"
    pauses = (call.pause,) if call.phase == "thinking" else call.sampling.stop
    return "stop_sequence" if stopping_word and stopping_word in pauses else "stop"


def _usage(call: Call, prompt: int, cached: int, generated: int) -> Usage:
    if call.phase == "thinking":
        return Usage(prompt, cached, thinking=generated)
    return Usage(prompt, cached, answer=generated)


backends.register("llama_completion")(LlamaCompletion)
backends.register("raw_completion")(OpenAICompletion)
