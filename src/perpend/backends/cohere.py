"""Cohere's chat API v2: requests as on OpenAI's chat wire, and its own events.

Reference: https://docs.cohere.com/reference/chat, https://docs.cohere.com/reference/chat-stream
"""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Literal, NotRequired, TypedDict

from msgspec import Struct

from perpend.backends.body import Body, JSONObject, ThinkingParams
from perpend.backends.contract import Call, CallEvent, Upstream, backends
from perpend.backends.openai_chat.events import CalledFunction, CallPiece, Chunk
from perpend.backends.openai_chat.request import chat_body, chat_left_out
from perpend.backends.options import with_options
from perpend.backends.reasons import REASONS, end_word
from perpend.backends.speech import Speech
from perpend.backends.stream_decoder import Decoders, StreamDecoder, merged, relay
from perpend.backends.thinking_params import steered, thinking_params_of
from perpend.providers.provider import Provider
from perpend.transport.failures import says
from perpend.types import CallEnded, ServerStop, Usage


class Cohere:
    supports_prefix = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Streams the events of `call`. Raises BadRequest and UpstreamError: see `Backend.stream`."""
        provider = self._upstream.provider
        body = with_options(_body(call, provider), call, provider)
        decoder = CohereDecoder(call, provider)
        return relay(
            self._upstream,
            "/chat",
            body,
            decoder,
            thinking_params=partial(thinking_params_of, call, provider),
        )

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Reads a response that wasn't streamed. Raises UpstreamError."""
        return CohereDecoder(call, self._upstream.provider).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        return chat_left_out(call, self._upstream.provider)

    def steers(self, call: Call) -> ThinkingParams:
        return steered(call, self._upstream.provider)

    async def count_input(self, call: Call) -> int | None:
        """Returns None: Cohere's tokenizer doesn't count the chat template."""
        return None


class _Format(TypedDict):
    type: Literal["json_object"]
    json_schema: NotRequired[JSONObject]


class _Tokens(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Usage(Struct):
    tokens: _Tokens | None = None
    cached_tokens: float | None = None


class _Message(Struct):
    content: list[Chunk] | Chunk | None = None
    tool_plan: str | None = None
    tool_calls: list[CallPiece] | CallPiece | None = None


class _Delta(Struct):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None


class _Event(Struct):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    message: _Message | str | None = None
    """Set in a response that wasn't streamed; a string is an error's message."""
    finish_reason: str | None = None
    usage: _Usage | None = None
    error: Any = None


_EVENTS = Decoders(_Event)


class CohereDecoder(StreamDecoder[_Event]):
    def __init__(self, call: Call, provider: Provider) -> None:
        super().__init__(provider.name, _EVENTS, Speech(call, provider))
        self._started = False
        self._reason: ServerStop | None = None
        self._usage: _Usage | None = None

    def take(self, event: _Event, batch: list[CallEvent]) -> None:
        for error in (event.error, event.message if isinstance(event.message, str) else None):
            if says(error):
                self.fail(error)
                return
        message = event.message if isinstance(event.message, _Message) else None
        delta = event.delta or _Delta(message, event.finish_reason, event.usage)
        self._usage = merged(self._usage, delta.usage)
        if delta.message is not None:
            self._started = True
            self._add_message(delta.message, event.index, batch)
        if (word := end_word(delta.finish_reason)) is not None:
            self._reason = REASONS.get(word)
            if self._reason is None:
                self.fail(delta.error or delta.finish_reason)
        self.done = self.done or event.type == "message-end"

    def end(self) -> CallEnded | None:
        calls = self.speech.calls.count
        reason = self._reason or (
            ("tool_calls" if calls else "stop") if self.done and self._started else None
        )
        return None if reason is None else CallEnded(reason, _counts(self._usage))

    def _add_message(self, message: _Message, index: int, batch: list[CallEvent]) -> None:
        content = message.content
        if message.tool_plan:
            self.speech.thought(message.tool_plan, batch)
        for chunk in content if isinstance(content, list) else [content] if content else []:
            thought, text = chunk.thought_and_text
            if thought:
                self.speech.thought(thought, batch)
            if text:
                self.speech.answer(text, batch)
        calls = message.tool_calls
        for at, call in enumerate(calls if isinstance(calls, list) else [calls] if calls else []):
            function = call.function or CalledFunction()
            self.speech.call(batch, index + at, call.id or "", function.name or "", function.json)


def _counts(usage: _Usage | None) -> Usage | None:
    """Returns all tokens, which are more than the billed ones; the API doesn't count thinking separately."""
    if usage is None or usage.tokens is None:
        return None
    tokens = usage.tokens
    return Usage(
        int(tokens.input_tokens or 0), int(usage.cached_tokens or 0), 0, int(tokens.output_tokens or 0)
    )


def _body(call: Call, provider: Provider) -> Body:
    """Builds the body of `call`. Raises BadRequest where a client altered the vendor's opaque thinking state."""
    body = chat_body(call, provider)
    if (choice := body.get("tool_choice")) is not None:  # the API can't force one tool
        body["tool_choice"] = choice.upper() if isinstance(choice, str) else "REQUIRED"
    output = call.output_spec.output
    if "response_format" in body and output is not None and output.schema is not None:
        response_format: _Format = {"type": "json_object", "json_schema": output.schema}
        body["response_format"] = response_format
    return body


backends.register("cohere")(Cohere)
