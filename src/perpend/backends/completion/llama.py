"""llama.cpp's own completion API, `/completion`.

Reference: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
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
from perpend.backends.openai_chat.events import Logprobs, Position
from perpend.backends.sampling import FieldNames
from perpend.backends.stream_decoder import Decoders
from perpend.transport.failures import failure, says

_FIELD_NAMES: FieldNames = {**SAME, "repetition_penalty": "repeat_penalty"}
_ONE_LINE = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}
"""Options of llguidance, which the engine is built with; without them small models fill an answer with blank lines."""


class _Body(TypedDict):
    """The request body without sampling fields."""

    prompt: str
    n_predict: int
    """The most tokens to generate."""
    stream: Literal[True]
    cache_prompt: bool
    stop: list[str]
    n_probs: NotRequired[int]
    """Number of most likely tokens that are reported for each token."""
    json_schema: NotRequired[JSONObject]


class _Tokens(Struct):
    tokens: list[int]


class _Timings(Struct):
    cache_n: int = 0


class _Event(Struct):
    content: str = ""
    completion_probabilities: list[Position] = msgspec.field(default_factory=list[Position])
    stop: bool = False
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    model: str = ""
    stop_type: str = ""
    stopping_word: str = ""
    timings: _Timings = msgspec.field(default_factory=_Timings)
    error: Any = None


class LlamaCompletion(RawCompletion):
    """llama.cpp's own `/completion`: it counts tokens while it streams and keeps a slot's state."""

    resumes = True
    path = "/completion"
    field_names = _FIELD_NAMES
    decoders = Decoders(_Event)

    async def count_input(self, call: Call) -> int | None:
        """Counts the prompt's tokens. Raises BadRequest as `stream` does, and UpstreamError."""
        base = await self._upstream.url()
        prompt = await self._prompt(base, call)
        body = msgspec.json.encode({"content": prompt, "add_special": True, "parse_special": True})
        answer = await self._upstream.http.post_json(f"{base}/tokenize", body, self._upstream.account)
        return len(msgspec.json.decode(answer, type=_Tokens).tokens)

    def body(self, call: Call, prompt: str) -> Body:
        """Builds the body of a `/completion` request."""
        fixed: _Body = {
            "prompt": prompt,
            "n_predict": call.max_tokens,
            "stream": True,
            "cache_prompt": call.cache,
            "stop": stops(call),
        }
        if count := likeliest(call):
            fixed["n_probs"] = count
        if (schema := answer_schema(call)) is not None:
            fixed["json_schema"] = {**_ONE_LINE, **schema}
        return {**fixed, **self.sampling(call)}

    def read(self, event: _Event, call: Call) -> RawChunk:
        """Reads a streamed event. Raises UpstreamError for an error event."""
        if says(event.error):
            raise failure("the engine failed", event.error)
        first = event.completion_probabilities
        first_logprobs = (
            {likely.token: likely.logprob for likely in first[0].top_logprobs or ()} if first else None
        )
        count = call.logprobs
        logprobs = () if count is None else tuple(Logprobs(first).tokens(count))
        if not event.stop:
            return RawChunk(
                event.content, event.tokens_predicted, first_logprobs=first_logprobs, logprobs=logprobs
            )
        return RawChunk(
            event.content,
            event.tokens_predicted,
            reason_for(event.stop_type == "limit", event.stopping_word, call),
            usage_of(call, event.tokens_evaluated, event.timings.cache_n, event.tokens_predicted),
            event.model.rpartition("/")[2] or None,  # the server sends the file's whole path
            first_logprobs,
            logprobs,
        )


backends.register("llama_completion")(LlamaCompletion)
