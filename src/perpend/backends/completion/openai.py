"""`/v1/completions`, as vLLM, SGLang and others serve it."""

from typing import Any

import msgspec
from msgspec import Struct

from perpend.backends.completion.base import (
    SAME,
    RawChunk,
    RawCompletion,
    answer_schema,
    reason_for,
    stops,
    told,
    usage_of,
)
from perpend.backends.contract import Call, backends
from perpend.backends.reasons import REASONS, why
from perpend.backends.stream_decoder import Decoders
from perpend.transport.failures import failure, says
from perpend.types import TokenLogprob, TopLogprob


class _Logprobs(Struct):
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None

    def said(self, most: int) -> tuple[TokenLogprob, ...]:
        """`most`: alternatives of each that are told."""
        tokens, logprobs = self.tokens or [], self.token_logprobs or []
        each = zip(tokens, logprobs, self.top_logprobs or [None] * len(tokens), strict=False)
        return tuple(
            TokenLogprob(
                token=token,
                logprob=logprob or 0.0,
                top_logprobs=tuple(TopLogprob(token=t, logprob=p) for t, p in [*(top or {}).items()][:most]),
            )
            for token, logprob, top in each
        )


class _Choice(Struct):
    text: str = ""
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """vLLM: the stop string that matched."""


class _PromptDetails(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None


class _Event(Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list[_Choice])
    usage: _Usage | None = None
    model: str | None = None
    error: Any = None


class OpenAICompletion(RawCompletion):
    """`/v1/completions` as vLLM and SGLang serve it; each call is billed whole."""

    resumes = False
    path = "/completions"
    words = SAME
    decoders = Decoders(_Event)

    def body(self, call: Call, prompt: str) -> dict[str, Any]:
        return {
            "model": call.model,
            "prompt": prompt,
            "max_tokens": call.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            **({"stop": stop} if (stop := stops(call)) else {}),
            **({"logprobs": most} if (most := told(call)) else {}),
            **self.drawn(call),
            **({} if (schema := answer_schema(call)) is None else _constraint(schema)),
        }

    def read(self, event: _Event, call: Call) -> RawChunk:
        if says(event.error):
            raise failure("the server failed", event.error)
        choice = event.choices[0] if event.choices else _Choice()
        tokens = event.usage
        usage = None
        if tokens is not None:
            cached = tokens.prompt_tokens_details.cached_tokens if tokens.prompt_tokens_details else 0
            usage = usage_of(call, tokens.prompt_tokens, cached or 0, tokens.completion_tokens)
        reason = None
        if (ended := why(choice.finish_reason)) is not None:
            word = choice.stop_reason if isinstance(choice.stop_reason, str) else ""
            reason = reason_for(REASONS.get(ended) == "length", word, call)
        generated = tokens.completion_tokens if tokens else None
        given = choice.logprobs or _Logprobs()
        first_logprobs = given.top_logprobs[0] if given.top_logprobs else None
        logprobs = () if call.logprobs is None else given.said(call.logprobs)
        return RawChunk(choice.text, generated, reason, usage, event.model, first_logprobs, logprobs)


def _constraint(schema: dict[str, Any]) -> dict[str, Any]:
    """vLLM's name for it and SGLang's; each passes over the other's."""
    return {"structured_outputs": {"json": schema}, "json_schema": msgspec.json.encode(schema).decode()}


backends.register("raw_completion")(OpenAICompletion)
