"""The Gemini wire, `generateContent`, at Google and on Vertex, which differ in address and key (google-genai 3.6).

A thought signature is kept unchanged: on a tool call, on text, or on an empty last part.
Reference: https://ai.google.dev/api/generate-content
"""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct, field

from perpend.backends.body import ThinkingParams
from perpend.backends.call_pieces import arguments_text
from perpend.backends.contract import Call, CallEvent, Upstream, backends
from perpend.backends.gemini.request import gemini_left_out, gemini_thinking, request
from perpend.backends.options import with_options
from perpend.backends.reasons import REASONS, end_word
from perpend.backends.speech import Speech
from perpend.backends.stream_decoder import Decoders, StreamDecoder, merged, relay
from perpend.backends.thinking_params import granted
from perpend.errors import UpstreamError
from perpend.providers.provider import Provider
from perpend.transport.failures import says
from perpend.types import CallEnded, ProviderStateDelta, ServerStop, Usage, new_id


class Gemini:
    """base_url ends in `/v1beta`, on Vertex in `/projects/PROJECT/locations/REGION/publishers/google`."""

    supports_prefix = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._origin = upstream.provider.name

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Streams the events of `call`. Raises BadRequest and UpstreamError: see `Backend.stream`."""
        path = f"{_model(call)}:streamGenerateContent?alt=sse"
        body = with_options(request(call, self._origin), call, self._upstream.provider)
        decoder = _ResponseDecoder(call, self._upstream.provider)
        return relay(self._upstream, path, body, decoder, thinking_params=partial(gemini_thinking, call))

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Reads one response, or the JSON list of responses that a stream without SSE is. Raises UpstreamError."""
        return _ResponseDecoder(call, self._upstream.provider).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        return gemini_left_out(call)

    def steers(self, call: Call) -> ThinkingParams:
        return granted(gemini_thinking(call), call)

    async def count_input(self, call: Call) -> int | None:
        """Counts the prompt's tokens; None where the endpoint doesn't count."""
        counted_request = request(call, self._origin)
        counted_request.pop("generationConfig")
        counted_request["model"] = f"models/{call.model}"
        url = f"{await self._upstream.url()}{_model(call)}:countTokens"
        body = msgspec.json.encode({"generateContentRequest": counted_request})
        try:
            answer = await self._upstream.http.post_json(url, body, self._upstream.account)
            return msgspec.json.decode(answer, type=_Count).total_tokens
        except (UpstreamError, ValueError):
            return None


def _model(call: Call) -> str:
    return f"/models/{quote(call.model, safe='@')}"


class _Count(Struct, rename="camel"):
    total_tokens: int


class _FunctionCall(Struct):
    name: str = ""
    id: str = ""
    args: Raw = Raw(b"{}")


class _Part(Struct, rename="camel"):
    text: str = ""
    thought: bool = False
    thought_signature: str = ""
    function_call: _FunctionCall | None = None


class _Content(Struct):
    parts: list[_Part] = field(default_factory=list[_Part])


class _Candidate(Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class _Usage(Struct, rename="camel"):
    prompt_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0


class _Feedback(Struct, rename="camel"):
    block_reason: str | None = None


class _Response(Struct, rename="camel"):
    candidates: list[_Candidate] = field(default_factory=list[_Candidate])
    usage_metadata: _Usage | None = None
    prompt_feedback: _Feedback | None = None
    model_version: str | None = None
    error: Any = None


_RESPONSES = Decoders(_Response)


class _ResponseDecoder(StreamDecoder[_Response]):
    def __init__(self, call: Call, provider: Provider) -> None:
        super().__init__(provider.name, _RESPONSES, Speech(call, provider))
        self._started = False
        self._reason: ServerStop | None = None
        self._blocked = False
        self._model: str | None = None
        self._usage: _Usage | None = None

    def take(self, event: _Response, batch: list[CallEvent]) -> None:
        if says(event.error):
            self.fail(event.error)
            return
        self._model = event.model_version or self._model
        self._usage = merged(self._usage, event.usage_metadata)
        if event.prompt_feedback is not None and event.prompt_feedback.block_reason:
            self._blocked = True
        if not event.candidates:
            return
        self._started = True
        candidate = event.candidates[0]
        if candidate.content is not None:
            for part in candidate.content.parts:
                self._part(part, batch)
        if (word := end_word(candidate.finish_reason)) is not None:
            self._reason = REASONS.get(word)
            if self._reason is None:
                self.fail(f"{candidate.finish_reason} {candidate.finish_message or ''}".strip())

    def end(self) -> CallEnded | None:
        reason = self._reason or ("content_filter" if self._blocked else None)
        reason = reason or ("stop" if self.done and self._started else None)
        if reason == "stop" and self.speech.calls.count:
            reason = "tool_calls"
        if reason is None:
            return None
        return CallEnded(reason, self._counted(), self._model)

    def _part(self, part: _Part, batch: list[CallEvent]) -> None:
        provider_state = self.provider_state(part.thought_signature) if part.thought_signature else None
        if (function := part.function_call) is not None:
            call_id = function.id or new_id("call")  # older models send no id
            arguments = arguments_text(function.args) or "{}"
            self.speech.call(
                batch, self.speech.calls.count, call_id, function.name, arguments, provider_state
            )
            return
        if part.text and part.thought:
            self.speech.thought(part.text, batch)
        elif part.text:
            self.speech.answer(part.text, batch)
        if provider_state is not None:
            self.speech.add_provider_state(
                ProviderStateDelta(provider_state, "thought" if part.thought else "text"), batch
            )

    def _counted(self) -> Usage | None:
        usage = self._usage
        if usage is None:
            return None
        return Usage(
            usage.prompt_token_count + usage.tool_use_prompt_token_count,
            usage.cached_content_token_count,
            usage.thoughts_token_count,  # not included in the candidates' tokens
            usage.candidates_token_count,
        )


backends.register("gemini")(Gemini)
