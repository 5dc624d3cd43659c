"""The OpenAI chat wire, which most servers speak.

Every request is streamed upstream, even if the client doesn't stream: only a stream can be cut at a budget, and its
text so far be kept when the upstream fails.
Reference: https://platform.openai.com/docs/api-reference/chat, https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

from msgspec.structs import replace

from perpend.backends.body import ThinkingParams
from perpend.backends.contract import Call, CallEvent, Upstream, append_text, backends
from perpend.backends.openai_chat.events import (
    EVENTS,
    CalledFunction,
    Chunk,
    Details,
    UpstreamChoice,
    UpstreamChunk,
    UpstreamDelta,
    UpstreamUsage,
    failure_of,
    logprobs_in,
)
from perpend.backends.openai_chat.request import chat_body, chat_left_out, enforced_format
from perpend.backends.options import with_options
from perpend.backends.reasons import REASONS
from perpend.backends.speech import Speech
from perpend.backends.stream_decoder import StreamDecoder, merged, relay
from perpend.backends.thinking_params import steered, thinking_params_of
from perpend.errors import UpstreamError
from perpend.providers.provider import Provider, Splits
from perpend.transport.failures import failure, malformed, refusal
from perpend.types import CallEnded, ServerStop, ThinkingDelta


class OpenAIChatBackend:
    supports_prefix = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._provider = upstream.provider
        """The provider's row; `splits` is updated once a response shows how the server separates thinking."""

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Streams the events of `call`. Raises BadRequest and UpstreamError: see `Backend.stream`."""
        body = with_options(chat_body(call, self._provider), call, self._provider)
        decoder = ChatDecoder(call, self._provider, self._learn)
        thinking_params = partial(thinking_params_of, call, self._provider)
        return relay(self._upstream, "/chat/completions", body, decoder, thinking_params=thinking_params)

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Reads a response that wasn't streamed. Raises UpstreamError."""
        return ChatDecoder(call, self._provider).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        return chat_left_out(call, self._provider)

    def steers(self, call: Call) -> ThinkingParams:
        return steered(call, self._provider)

    async def count_input(self, call: Call) -> int | None:
        """Returns None: the wire has no tokenizer endpoint."""
        return None

    def _learn(self, splits: Splits) -> None:
        if self._upstream.provider.splits == "if_told" and splits != self._provider.splits:
            self._provider = replace(self._provider, splits=splits)


class ChatDecoder(StreamDecoder[UpstreamChunk]):
    def __init__(
        self,
        call: Call,
        provider: Provider,
        learn: Callable[[Splits], None] | None = None,
    ) -> None:
        """`learn` is called with how the server separates thinking, if this response shows it."""
        constrained = enforced_format(call, provider) is not None
        super().__init__(provider.name, EVENTS, Speech(call, provider, learn, constrained=constrained))
        self._call = call
        self._provider = provider
        self._reason: ServerStop | None = None
        self._model: str | None = None
        self._wants_logprobs = bool(call.first_logprobs) or call.logprobs is not None
        self._first_logprobs: dict[str, float] | None = None
        self._usage: UpstreamUsage | None = None
        self._counted = self._thought = 0  # tokens so far, where the server counts while it streams
        self._step = 0  # tokens of the current event
        self._refused = False
        self._begun = False
        self._pieces = False
        self._details = Details()

    def take(self, event: UpstreamChunk, batch: list[CallEvent]) -> None:
        choices = event.choices
        self._step = 0
        if event.usage is not None or event.timings is not None or event.x_groq is not None:
            self._count(event)
        if event.model:
            self._model = event.model
        if choices:
            choice = choices[0]
            delta = choice.delta
            self._begun = True
            if delta is not None:
                self._pieces = True
                self._take(delta, batch)
            elif choice.message is not None and not self._pieces:  # otherwise it repeats the deltas
                self._take(choice.message, batch)
            if self._wants_logprobs and choice.logprobs:
                self._add_logprobs(choice.logprobs, delta, batch)
            if (choice.finish_reason or choice.finish) and (end_word := choice.ended):
                self._end(end_word, choice)
        if event.error or choices is None:
            self.failure = failure_of(event, streamed=True) or self.failure

    def _count(self, event: UpstreamChunk) -> None:
        """Updates the counts from an event."""
        total = None
        if event.usage is not None:
            self._usage = merged(self._usage, event.usage)
            total = event.usage.completion_tokens
        elif event.timings is not None:
            total = event.timings.predicted_n
        elif event.x_groq is not None and event.x_groq.usage is not None:
            self._usage = merged(self._usage, event.x_groq.usage)
        if total:
            # a count in the final event is the whole stream's, not that of the event's text
            if event.choices and event.choices[0].ended is None:
                self._step = max(0, total - self._counted)
            self._counted = total

    def read_object(self, body: bytes) -> list[CallEvent]:
        """Decodes a response that is one object. Raises UpstreamError."""
        try:
            event = self.mended(body, EVENTS.single)
        except ValueError as error:
            raise malformed(self._origin, error) from error
        if (failure_found := failure_of(event, streamed=False)) is not None:
            raise failure_found
        choices = event.choices or event.outputs
        if event.choices is None and not choices:
            raise refusal(self._origin, body, status=200)
        if not choices:
            raise UpstreamError("the server's response holds no choice")
        batch: list[CallEvent] = []
        choice = choices[0]
        self.done = self._begun = True
        self._usage, self._model = event.usage, event.model
        message = choice.message or choice.delta or UpstreamDelta()
        self._take(message, batch, whole=True)
        if self._wants_logprobs and choice.logprobs:
            self._add_logprobs(choice.logprobs, message, batch)
        self._end(choice.ended or "stop", choice)
        return batch

    def end(self) -> CallEnded | None:
        reason = self._reason or ("stop" if self.done and self._begun else None)
        if reason is None:
            return None
        counts = self._usage and self._usage.counts(self._provider.thinking_in_output)
        if counts is not None and not counts.thinking and self._thought < counts.answer:
            counts = replace(counts, thinking=self._thought, answer=counts.answer - self._thought)
        if reason == "stop":
            calls = self.speech.calls.count
            reason = "tool_calls" if calls else "content_filter" if self._refused else "stop"
        return CallEnded(reason, counts, self._model, first_logprobs=self._first_logprobs)

    def _add_logprobs(self, value: Any, delta: UpstreamDelta | None, batch: list[CallEvent]) -> None:
        logprobs = logprobs_in(value)
        if not logprobs.content:
            return
        if self._first_logprobs is None and self._call.first_logprobs:
            likeliest = logprobs.content[0].top_logprobs or ()
            self._first_logprobs = {likely.token: likely.logprob for likely in likeliest}
        if (most := self._call.logprobs) is None or delta is None or not delta.content:
            return
        self.speech.add_logprobs(logprobs.tokens(most), batch)

    def _end(self, end_word: str, choice: UpstreamChoice) -> None:
        self._reason = REASONS.get(end_word, "stop")
        if self._reason is None:
            self.failure = self.failure or failure("the server failed in the middle", end_word)
        if self._reason == "stop" and choice.stop_reason in self._call.sampling.stop:
            self._reason = "stop_sequence"

    def _take(self, delta: UpstreamDelta, batch: list[CallEvent], *, whole: bool = False) -> None:
        speech = self.speech
        thinking = (
            delta.reasoning_content
            or delta.reasoning
            or delta.reasoning_text
            or delta.thinking
            or ((delta.summary or delta.thinking_blocks) and delta.parts_of_thought)
        )
        if delta.reasoning_details:
            text = self._details.take(delta.reasoning_details)
            thinking = thinking or text
        if thinking:
            if speech.thinks:  # nearly always
                append_text(batch, ThinkingDelta, thinking, self._step)
            else:
                speech.thought(thinking, batch, self._step, answer=_text(delta.content) if whole else "")
            self._thought += self._step
        if delta.reasoning_details and (data := self._details.provider_state()) is not None:
            self.add_provider_state(data, batch)
        if content := delta.content:
            if isinstance(content, str):
                speech.answer(content, batch, self._step)
            else:
                self._content(content, batch)
        if delta.refusal:
            self._refused = True
            speech.answer(delta.refusal, batch)
        if delta.tool_calls:
            for piece in delta.tool_calls:
                function = piece.function or CalledFunction()
                speech.call(batch, piece.index, piece.id or "", function.name or "", function.json)
        if (function := delta.function_call) is not None:
            speech.call(batch, None, "", function.name or "", function.json)

    def _content(self, content: list[Chunk], batch: list[CallEvent]) -> None:
        for chunk in content:
            thought, text = chunk.thought_and_text
            if thought:
                self.speech.thought(thought, batch)
            if text:
                self.speech.answer(text, batch)


def _text(content: str | list[Chunk] | None) -> str:
    return (
        "".join([chunk.thought_and_text[1] for chunk in content])
        if isinstance(content, list)
        else content or ""
    )


backends.register("openai_chat")(OpenAIChatBackend)
