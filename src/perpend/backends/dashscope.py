"""DashScope's own wire (text-generation/generation): the OpenAI chat wire's messages in other envelopes.

The provider row's headers request a stream. Every event has the token counts so far.
Reference: https://www.alibabacloud.com/help/en/model-studio/qwen-api-via-dashscope
"""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, TypedDict

from msgspec import Struct

from perpend.backends.body import Body, ThinkingParams
from perpend.backends.contract import Call, CallEvent, Upstream, backends
from perpend.backends.openai_chat.body import ChatMessages
from perpend.backends.openai_chat.events import (
    TokenDetails,
    UpstreamChoice,
    UpstreamChunk,
    UpstreamDelta,
    UpstreamUsage,
)
from perpend.backends.openai_chat.request import chat_body, chat_left_out
from perpend.backends.openai_chat.wire import ChatDecoder
from perpend.backends.options import with_options
from perpend.backends.stream_decoder import Decoders, StreamDecoder, relay
from perpend.backends.thinking_params import steered, thinking_params_of
from perpend.providers.provider import Provider
from perpend.types import CallEnded

_PATH = "/services/aigc/text-generation/generation"


class DashScope:
    supports_prefix = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Streams the events of `call`. Raises BadRequest and UpstreamError: see `Backend.stream`."""
        provider = self._upstream.provider
        body = with_options(_body(call, provider), call, provider)
        return relay(
            self._upstream,
            _PATH,
            body,
            self._decoder(call),
            thinking_params=partial(thinking_params_of, call, provider),
        )

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Reads a response that wasn't streamed. Raises UpstreamError."""
        return self._decoder(call).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        return chat_left_out(call, self._upstream.provider)

    def steers(self, call: Call) -> ThinkingParams:
        return steered(call, self._upstream.provider)

    async def count_input(self, call: Call) -> int | None:
        """Returns None: the wire has no tokenizer endpoint."""
        return None

    def _decoder(self, call: Call) -> "DashScopeDecoder":
        return DashScopeDecoder(call, self._upstream.provider)


class _Input(TypedDict):
    messages: ChatMessages


class _Body(TypedDict):
    model: str
    input: _Input
    parameters: Body
    """All other fields of a chat body."""


class _Choice(Struct):
    message: UpstreamDelta | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Output(Struct):
    choices: list[_Choice] | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: TokenDetails | None = None
    prompt_tokens_details: TokenDetails | None = None


class _Event(Struct):
    output: _Output | None = None
    usage: _Usage | None = None
    code: str | None = None
    message: str | None = None
    error: Any = None


_EVENTS = Decoders(_Event)


class DashScopeDecoder(StreamDecoder[_Event]):
    def __init__(self, call: Call, provider: Provider) -> None:
        self._chat = ChatDecoder(call, provider)
        super().__init__(provider.name, _EVENTS, self._chat.speech)

    def take(self, event: _Event, batch: list[CallEvent]) -> None:
        chat = UpstreamChunk(choices=[])
        if event.usage is not None:
            usage = event.usage
            chat.usage = UpstreamUsage(
                usage.input_tokens,
                usage.output_tokens,
                usage.output_tokens_details,
                usage.prompt_tokens_details,
            )
        if event.output is not None and event.output.choices:
            choice = event.output.choices[0]
            chat.choices = [
                UpstreamChoice(choice.message, finish_reason=choice.finish_reason, logprobs=choice.logprobs)
            ]
        elif event.code:
            chat.error = {"message": event.message, "code": event.code}
        chat.error = chat.error or event.error
        self._chat.take(chat, batch)
        self.failure = self._chat.failure

    def rest(self) -> list[CallEvent]:
        self._chat.done = self.done
        return self._chat.rest()

    def end(self) -> CallEnded | None:
        self._chat.done = self.done
        return self._chat.end()


def _body(call: Call, provider: Provider) -> Body:
    """Builds the body of `call`. Raises BadRequest where a client altered the vendor's opaque thinking state."""
    parameters = chat_body(call, provider)
    model, messages = parameters.pop("model"), parameters.pop("messages")
    for name in ("stream", "stream_options"):
        parameters.pop(name, None)
    parameters |= {"result_format": "message", "incremental_output": True}
    fixed: _Body = {"model": model, "input": {"messages": messages}, "parameters": parameters}
    return {**fixed}


backends.register("dashscope")(DashScope)
