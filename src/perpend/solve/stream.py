"""One call under way: relays its events, counts them, and ends it in time."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

from msgspec.structs import replace

from perpend.accounting.estimates import split
from perpend.backends.contract import Call, CallEvent
from perpend.solve.call_context import ANSWER_KEPT, CallContext
from perpend.solve.message_builder import MessageBuilder, text_of
from perpend.types import (
    AnswerDelta,
    AnswerLogprobs,
    CallEnded,
    CallStop,
    Event,
    ProviderStateDelta,
    Served,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

_RUNAWAY = 256
"""Tokens beyond twice its limit after which a call is cut: its server has forgotten the limit."""
_OWN_PACE = 8
"""Tokens after which a stream's own pace is believed."""


class CallStream:
    """Adds what comes to a message, in order; the counts are the server's where it counts."""

    def __init__(self, context: CallContext, call: Call, candidate: int, message: MessageBuilder) -> None:
        self.logprobs: list[TokenLogprob] = []
        self.thinking = False
        """Some thinking came."""
        self.answer = False
        """Some of the answer came: text, or a tool call."""
        self.thinking_tokens = 0
        self.answer_tokens = 0
        self.end: CallEnded | None = None
        self.provider: str | None = None
        """Who serves it, where that isn't the model's only provider."""
        self.sent: dict[str, Any] | None = None
        """What that one was told about thinking, where it says so."""
        self.left_out: tuple[str, ...] = ()
        """What that one wasn't asked for."""
        self._events = message.events
        self._begin = len(message.events)
        self._context = context
        self._clock = context.clock
        self._speed = context.model.speed
        self._control = context.control if call.phase != "answering" else None
        self._call = call
        self._candidate = candidate
        self._most = 2 * call.max_tokens + _RUNAWAY
        self._loop = context.clock.loop
        self._started = self._loop.time()
        self._first = self._last = 0.0

    def drain(self, cut_at: int | None) -> Coroutine[None, None, CallStop]:
        """Stream to the end, to `cut_at` thinking tokens, to the deadline, or to "answer now"."""
        unbounded = self._control is None and self._clock.deadline is None
        return self._relay(None, cut_at) if unbounded else self._relay_in_time(cut_at)

    async def _relay_in_time(self, cut_at: int | None) -> CallStop:
        control = self._control
        try:
            async with asyncio.timeout_at(self._must_end()) as timer:

                def interrupt() -> None:
                    timer.reschedule(self._must_end())

                if control is not None:
                    control.watch(interrupt)
                try:
                    return await self._relay(timer, cut_at)
                finally:
                    if control is not None:
                        control.unwatch(interrupt)
        except TimeoutError:
            return "answer_now" if control is not None and control.answering_now else "deadline"

    async def _relay(self, timer: asyncio.Timeout | None, cut_at: int | None) -> CallStop:
        sink, log_sink = self._context.sink, self._context.log_sink
        async with aclosing(self._context.model.backend.stream(self._call)) as batches:
            async for batch in batches:
                heard, shown = self._count(batch)
                if log_sink is not None:
                    await log_sink(heard)
                if shown:
                    await sink(shown)
                if self._overran(cut_at):
                    return "thinking_tokens"
                if self.thinking_tokens + self.answer_tokens > self._most:
                    return "length"
                if timer is not None and self._clock.deadline is not None and not timer.expired():
                    timer.reschedule(self._must_end())
        return "stop" if self.end is None else self.end.reason

    def _overran(self, cut_at: int | None) -> bool:
        """It thinks, and has thought enough; an answer that has begun is left to end, until it thinks again."""
        if cut_at is None or not self.thinking or self.thinking_tokens < cut_at or self.end is not None:
            return False
        return not self.answer or isinstance(self._events[-1], ThinkingDelta)

    def _count(self, batch: list[CallEvent]) -> tuple[list[Event], list[Event]]:
        """The batch with its candidate and its tokens, and what clients may see of it."""
        self._last = self._loop.time()
        if not self._first:
            self._first = self._last
        estimate = self._speed.estimate_tokens
        heard: list[Event] = []
        shown: list[Event] = []
        for told in batch:
            if isinstance(told, ThinkingDelta):
                event = ThinkingDelta(told.text, told.tokens or estimate(told.text), self._candidate)
                self.thinking = True
                self.thinking_tokens += event.tokens
            elif isinstance(told, AnswerDelta):
                event = AnswerDelta(told.text, told.tokens or estimate(told.text), self._candidate)
                self.answer = True
                self.answer_tokens += event.tokens
            elif isinstance(told, ToolCallDelta):
                tokens = told.tokens or estimate(text_of(told))
                event = replace(told, tokens=tokens, candidate=self._candidate)
                self.answer = True
                self.answer_tokens += tokens
            elif isinstance(told, ProviderStateDelta):
                event = replace(told, candidate=self._candidate)
            else:
                beside = replace(told, candidate=self._candidate)
                heard.append(beside)
                if self._note(beside):
                    shown.append(beside)
                continue
            heard.append(event)
            shown.append(event)
            self._events.append(event)
        return heard, shown

    def _note(self, event: Served | AnswerLogprobs | CallEnded) -> bool:
        """What a call says beside its message. Whether clients may see it."""
        if isinstance(event, CallEnded):
            self.end = event
        elif isinstance(event, Served):
            self.provider, self.sent, self.left_out = event.provider, event.sent, event.left_out
        elif self._call.logprobs is not None:  # some servers tell them unasked
            self.logprobs += event.tokens
            return True
        return False

    def _must_end(self) -> float | None:
        """Until the first words of the answer a call must leave time for one; then the deadline is all."""
        clock, control = self._clock, self._control
        if control is not None and control.answering_now and not self.answer:
            return self._loop.time()
        if clock.deadline is None or self._call.phase == "answering" or self.answer:
            return clock.deadline
        seconds, tokens = self._last - self._first, self.thinking_tokens
        if tokens >= _OWN_PACE and seconds > 0:
            return clock.think_until(ANSWER_KEPT * seconds / tokens)
        answer_s = self._speed.seconds_for(ANSWER_KEPT) if self._speed.measured else None
        return clock.think_until(answer_s)

    @property
    def spoke(self) -> bool:
        """Something came of its message."""
        return len(self._events) > self._begin

    @property
    def counted(self) -> bool:
        """The server told what it used."""
        return self.end is not None and self.end.usage is not None

    def usage(self, input_estimate: int) -> Usage:
        """The server's count, split where it doesn't tell thinking apart; estimated where a call was cut."""
        reported = None if self.end is None else self.end.usage
        if reported is None:
            return Usage(input_estimate, 0, self.thinking_tokens, self.answer_tokens)
        if reported.thinking or not self.thinking:
            return reported
        return split(reported, self.thinking_tokens, self.answer_tokens)

    def learn(self) -> None:
        """Tell the model's speed what this call measured."""
        text = "".join(map(text_of, self._events[self._begin :]))
        if not text:
            return
        reported = None if self.end is None else self.end.usage
        tokens = reported.output if reported else self.thinking_tokens + self.answer_tokens
        self._speed.observe(
            tokens=tokens, decode_s=self._last - self._first, first_token_s=self._first - self._started
        )
        if reported is not None:
            self._speed.observe_text(text, reported.output)
