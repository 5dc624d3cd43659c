"""A candidate while it's being written: reserves before each call, settles after it, keeps what came."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.accounting.ledger import Reservation, Spend
from perpend.backends.contract import Call
from perpend.errors import BadRequest, EngineError, UpstreamError
from perpend.solve.call_context import CallContext, null_sink
from perpend.solve.message_builder import MessageBuilder
from perpend.solve.model import ServedModel
from perpend.solve.stream import CallStream
from perpend.types import (
    COMPLETE,
    Called,
    CallFailed,
    CallStop,
    Candidate,
    StopReason,
    ThinkingDelta,
    TokenLogprob,
    Usage,
)

_INTERRUPTED: frozenset[StopReason] = frozenset(("deadline", "answer_now"))


class SentThinking(NamedTuple):
    """What a server was told about thinking."""

    sent: dict[str, Any] = {}  # noqa: RUF012 -- nobody writes into it
    off: bool = False
    """Not to think, though there was a budget for it: its vendor takes none together with something else."""


class CandidateRun:
    """Thinking and answer so far. One call at a time streams into it; its context's scope, which is its own, pays."""

    def __init__(self, index: int, context: CallContext) -> None:
        self.index = index
        self.context: CallContext = context
        self.stop_reason: StopReason = "stop"
        self.model_version: str | None = None
        self.provider: str | None = None
        """Who served the last call that said something."""
        self.sent_thinking = SentThinking()
        """What its model was told at first: a second call only asks for the answer."""
        self.message = MessageBuilder()
        self.logprobs: list[TokenLogprob] = []
        self.left_out: set[str] = set()
        """What some call was made without: fields of the sampling, and what its server refuses."""
        self.first_logprobs: Mapping[str, float] | None = None
        """Log-probabilities of the first tokens that the last call might have said, where it was asked for them."""
        self._calls = 0
        self._held: Reservation | None = None
        self._unsaid = 0  # tokens that were asked for their log-probabilities alone
        self._sequence = 0  # tokens so far: a server that resumes a sequence is paid for each only once

    @property
    def usage(self) -> Usage:
        return self.context.scope.usage

    def candidate(self) -> Candidate:
        scope = self.context.scope
        return Candidate(
            index=self.index,
            model=self.context.model.name,
            thinking=self.message.thinking,
            answer=self.message.answer,
            content=self.message.content,
            logprobs=tuple(self.logprobs),
            usage=scope.usage,
            cost_usd=scope.cost_usd,
            stop_reason=self.stop_reason,
        )

    @property
    def silent(self) -> bool:
        """No model has said anything; a thought that was given doesn't count."""
        return not (self.usage.output - self._unsaid or self.message.answering)

    @property
    def input_bound(self) -> int:
        """Prompt tokens that the next call may be billed for."""
        first = self.context.input_bound
        return self.context.model.next_input_bound(first, self.usage.thinking) if self._calls else first

    def turn_to(self, context: CallContext) -> None:
        """Another model writes on. What was said stays, and what was paid."""
        self.let_go()
        self.context = context
        self.sent_thinking = SentThinking()
        self._calls = self._sequence = 0

    def hold_answer(self, thinking: int, answer: int) -> None:
        """Reserve what an answer after `thinking` tokens will need, so that no other candidate takes it.

        Raises CapReached where there isn't so much: before anything is spent on a thought without an answer.
        """
        if not (answer or self.context.scope.capped):
            return
        model = self.context.model
        again = model.next_input_bound(self.context.input_bound, thinking)
        usd = model.price.worst_case(again, answer)
        self._held = self.context.scope.reserve(Spend(answer=answer, usd=usd))

    def let_go(self) -> None:
        """What was held is the answer's to take now, or nobody's."""
        if self._held is not None:
            self._held.release()
            self._held = None

    async def insert_thinking(self, text: str) -> None:
        """Text that isn't the model's, such as "Wait": shown, and not counted as generated."""
        inserted = ThinkingDelta(text, 0, self.index)
        self.message.add([inserted])
        await self.context.log(inserted)
        await self.context.sink([inserted])

    async def ask_first_logprobs(self, call: Call) -> Mapping[str, float] | None:
        """How likely a call's first tokens are, where its server tells. It's paid for, and nothing of it is said."""
        message, context, used = self.message, self.context, self.usage.output
        self.message, self.context = MessageBuilder(), replace(context, sink=null_sink)
        try:
            await self.call(call)
        finally:
            self.message, self.context = message, context
            self._unsaid += self.usage.output - used
        return self.first_logprobs

    def teach(self, budget: TokenBudget) -> None:
        """Tell its model how long this was, where nothing but the budget of thought cut it short."""
        if self.stop_reason in COMPLETE:
            used = self.usage
            self.context.model.lengths.observe(
                thinking=used.thinking, budget=budget.thinking, answer=used.answer
            )

    async def call(
        self, call: Call, *, cut_at: int | None = None, thinking_left: int | None = None
    ) -> CallStop:
        """One call, whose text is appended. What it used is settled, however it ends; what interrupts it is kept.

        Tokens of a thought beyond `thinking_left` are the answer's, whose budget pays for them.
        Raises CapReached before anything is spent, and UpstreamError with what came kept.
        """
        context, model = self.context, self.context.model
        bound = self.input_bound
        worst = model.price.worst_case(bound, call.max_tokens)
        thinking = call.max_tokens if call.phase == "thinking" else min(call.thinking_tokens, call.max_tokens)
        first = not self._calls
        self._calls += 1
        stream = CallStream(context, call, self.index, self.message)
        billed = True
        with context.scope.reserve(Spend(thinking, call.max_tokens - thinking, worst)) as held:
            try:
                await context.log(Called(model.name, call.phase, self.index))
                stop = await stream.drain(cut_at)
                if stop in _INTERRUPTED:
                    self.stop_reason = stop
                return stop
            except (UpstreamError, EngineError) as error:
                billed = not isinstance(error, UpstreamError) or error.billed
                await context.log(CallFailed(error.code, error.message, self.index))
                raise
            except BadRequest:
                billed = False  # nobody was asked
                raise
            finally:
                used = self._paid_once(stream.usage(model.input_estimate(call))) if billed else Usage()
                if thinking_left is not None and used.thinking > thinking_left:
                    used = replace(used, thinking=thinking_left, answer=used.output - thinking_left)
                if not stream.counted:  # an estimate is never more than what was reserved
                    used = replace(used, input=min(used.input, bound))
                self._calls -= not billed
                self._settle(held, used, stream)
                self._keep(call, stream, first=first)

    def _settle(self, held: Reservation, used: Usage, stream: CallStream) -> None:
        written = 0 if stream.end is None else stream.end.written
        cost = self.context.model.price_at(stream.provider).cost(used, written=written)
        spent = Spend(used.thinking, used.answer, cost or Decimal(0), used.input, used.cached)
        held.settle(spent, priced=cost is not None)

    def _keep(self, call: Call, stream: CallStream, *, first: bool) -> None:
        """What a call said beside its message, and who made it."""
        model = self.context.model
        if first:
            self.sent_thinking = _sent_thinking(model, call, stream.sent)
        self.logprobs += stream.logprobs
        if stream.spoke:
            self.provider = stream.provider or model.provider
        if stream.end is not None:
            self.model_version = stream.end.model_version or self.model_version
            self.first_logprobs = stream.end.first_logprobs
        self.left_out.update(stream.left_out)
        stream.learn()

    def _paid_once(self, used: Usage) -> Usage:
        """A resumed sequence's input is what the call added to it: tags, and words put in between."""
        if not self.context.model.backend.resumes:
            return used
        known, self._sequence = self._sequence, used.input + used.output
        if not known:
            return used
        return Usage(max(0, used.input - known), 0, used.thinking, used.answer)


def _sent_thinking(model: ServedModel, call: Call, sent: dict[str, Any] | None) -> SentThinking:
    sent = model.backend.steers(call) if sent is None else sent
    if not call.thinking_tokens or model.backend.supports_prefix or not (model.stops and model.tells()):
        return SentThinking(sent)
    return SentThinking(sent, sent == model.backend.steers(replace(call, thinking_tokens=0, effort="none")))
