"""The legacy OpenAI completions API, `/v1/completions`, as vLLM, SGLang and others serve it.

Reference: https://platform.openai.com/docs/api-reference/completions/create, and vLLM's additional fields:
https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#completions-api
"""

from typing import Any, Literal, NotRequired, TypedDict

import msgspec
from msgspec import Struct

from perpend.backends.body import Body, JSONObject
from perpend.backends.completion.base import (
    SAME,
    RawChunk,
    RawCompletion,
    answer_schema,
    likeliest,
    reason_for,
    stops,
    usage_of,
)
from perpend.backends.contract import Call, backends
from perpend.backends.reasons import REASONS, end_word
from perpend.backends.stream_decoder import Decoders
from perpend.transport.failures import failure, says
from perpend.types import TokenLogprob, TopLogprob


class _StreamOptions(TypedDict):
    include_usage: bool
    continuous_usage_stats: bool


class _StructuredOutputs(TypedDict):
    json: JSONObject
    """JSON schema."""


class _Body(TypedDict):
    """The request body without sampling fields."""

    model: str
    prompt: str
    max_tokens: int
    stream: Literal[True]
    stream_options: _StreamOptions
    stop: NotRequired[list[str]]
    logprobs: NotRequired[int]
    """Number of most likely tokens that are reported for each token."""
    structured_outputs: NotRequired[_StructuredOutputs]
    """vLLM's name for the answer's schema; vLLM ignores SGLang's name, and SGLang this one."""
    json_schema: NotRequired[str]
    """SGLang's name for the answer's schema."""


class _Logprobs(Struct):
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None

    def per_token(self, count: int) -> tuple[TokenLogprob, ...]:
        """Converts them; `count`: alternatives kept for each token."""
        tokens, logprobs = self.tokens or [], self.token_logprobs or []
        rows = zip(tokens, logprobs, self.top_logprobs or [None] * len(tokens), strict=False)
        return tuple(
            TokenLogprob(
                token=token,
                logprob=logprob or 0.0,
                top_logprobs=tuple(
                    TopLogprob(token=alternative, logprob=alternative_logprob)
                    for alternative, alternative_logprob in [*(top or {}).items()][:count]
                ),
            )
            for token, logprob, top in rows
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
    """`/v1/completions` as vLLM and SGLang serve it; every call is billed in full, its prompt too."""

    resumes = False
    path = "/completions"
    field_names = SAME
    decoders = Decoders(_Event)

    def body(self, call: Call, prompt: str) -> Body:
        """Builds the body of a `/v1/completions` request."""
        fixed: _Body = {
            "model": call.model,
            "prompt": prompt,
            "max_tokens": call.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        }
        if stop := stops(call):
            fixed["stop"] = stop
        if count := likeliest(call):
            fixed["logprobs"] = count
        if (schema := answer_schema(call)) is not None:
            fixed["structured_outputs"] = {"json": schema}
            fixed["json_schema"] = msgspec.json.encode(schema).decode()
        return {**fixed, **self.sampling(call)}

    def read(self, event: _Event, call: Call) -> RawChunk:
        """Reads a streamed event. Raises UpstreamError for an error event."""
        if says(event.error):
            raise failure("the server failed", event.error)
        choice = event.choices[0] if event.choices else _Choice()
        tokens = event.usage
        usage = None
        if tokens is not None:
            cached = tokens.prompt_tokens_details.cached_tokens if tokens.prompt_tokens_details else 0
            usage = usage_of(call, tokens.prompt_tokens, cached or 0, tokens.completion_tokens)
        reason = None
        if (ended := end_word(choice.finish_reason)) is not None:
            stop_string = choice.stop_reason if isinstance(choice.stop_reason, str) else ""
            reason = reason_for(REASONS.get(ended) == "length", stop_string, call)
        generated = tokens.completion_tokens if tokens else None
        logprobs = choice.logprobs or _Logprobs()
        first_logprobs = logprobs.top_logprobs[0] if logprobs.top_logprobs else None
        per_token = () if call.logprobs is None else logprobs.per_token(call.logprobs)
        return RawChunk(choice.text, generated, reason, usage, event.model, first_logprobs, per_token)


backends.register("raw_completion")(OpenAICompletion)
