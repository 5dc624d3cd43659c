"""The OpenAI responses wire, always streamed upstream.

Reference: https://platform.openai.com/docs/api-reference/responses
"""

from collections.abc import AsyncGenerator
from functools import partial

from perpend.backends.body import ThinkingParams
from perpend.backends.contract import Call, CallEvent, Upstream, backends
from perpend.backends.openai_responses.background import BackgroundResponse
from perpend.backends.openai_responses.events import ResponsesDecoder
from perpend.backends.openai_responses.request import responses_body, responses_left_out, responses_thinking
from perpend.backends.options import with_options
from perpend.backends.stream_decoder import relay
from perpend.backends.thinking_params import steered


class OpenAIResponsesBackend:
    supports_prefix = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Streams the events of `call`. Raises BadRequest and UpstreamError: see `Backend.stream`."""
        upstream = self._upstream
        body = with_options(responses_body(call, upstream.provider), call, upstream.provider)
        thinking_params = partial(responses_thinking, call, upstream.provider)
        if "background" in body:
            return BackgroundResponse(upstream, body, call, thinking_params).events()
        return relay(
            upstream,
            "/responses",
            body,
            ResponsesDecoder(call, upstream.provider),
            thinking_params=thinking_params,
        )

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Reads a response that wasn't streamed. Raises UpstreamError."""
        return ResponsesDecoder(call, self._upstream.provider).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        return responses_left_out(call, self._upstream.provider)

    def steers(self, call: Call) -> ThinkingParams:
        return steered(call, self._upstream.provider, effort_field="reasoning.effort")

    async def count_input(self, call: Call) -> int | None:
        """Returns None: OpenAI's token counter would add a request before each call."""
        return None


backends.register("openai_responses")(OpenAIResponsesBackend)
