"""What strategies are given: the one way to spend, whose every token is reserved, streamed and accounted."""

from bisect import bisect_left
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.accounting.calibration import effort_for
from perpend.accounting.ledger import NOTHING, Spend
from perpend.backends.contract import Call
from perpend.errors import (
    BadRequest,
    CapReached,
    DeadlineTooShort,
    EngineError,
    PromptTooLong,
    UpstreamError,
)
from perpend.solve import generation
from perpend.solve.call_context import CallContext
from perpend.solve.candidate_run import CandidateRun
from perpend.solve.count import bounded_input
from perpend.solve.fallback import write
from perpend.solve.request_context import RequestContext
from perpend.solve.request_outcome import RequestOutcome
from perpend.solve.session_verifier import RequestVerifier
from perpend.strategies import Feedback, Step, with_options
from perpend.types import (
    Candidate,
    Limits,
    Message,
    Request,
    Sampling,
    StrategySpec,
    VerifierSpec,
)

_CORRECT_IT = "Find the mistake and correct it."
_MISTAKEN = "Wait, the mistake is that"


class RequestSession(Struct, frozen=True):
    """Implements `strategies.Session` in one scope of the budget."""

    request_context: RequestContext
    outcome: RequestOutcome
    call_context: CallContext
    verifier_spec: VerifierSpec | None = None
    whole: TokenBudget | None = None
    """The request's budget, for a first candidate that may have all of it."""
    may_show: bool = True

    @property
    def request(self) -> Request:
        return self.request_context.request

    @property
    def budget(self) -> "RequestBudget":
        return RequestBudget(self)

    @property
    def verifier(self) -> RequestVerifier:
        return RequestVerifier(self.request_context, self.outcome, self.call_context, self.verifier_spec)

    @property
    def width(self) -> int:
        return self.call_context.model.width()

    @property
    def supports_prefix(self) -> bool:
        return self.call_context.model.backend.supports_prefix

    @property
    def best(self) -> Candidate | None:
        return self.outcome.best

    def keep(self, candidate: Candidate) -> None:
        self.outcome.best = candidate

    def score(self, candidate: Candidate, score: float) -> Candidate:
        return self.outcome.scored(candidate, score)

    def explain(self, decision: str) -> None:
        self.outcome.notes.append(decision)

    async def sample(
        self,
        *,
        thinking_tokens: int | None = None,
        wait_count: int = 0,
        sampling: Sampling | None = None,
        thought: str = "",
        feedback: Feedback | None = None,
        shown: bool = False,
    ) -> Candidate:
        if self.best is not None and self.best.answer:
            self._go_on()
        messages = self.request.messages
        if feedback is not None and self.supports_prefix:
            thought = reconsidered(feedback)
        elif feedback is not None:
            said = Message("assistant", feedback.candidate.content or feedback.candidate.answer)
            messages = (*messages, said, Message("user", f"{feedback.text} {_CORRECT_IT}"))
        context = await self._begun(thought, messages)
        budget = self.budget.resolved(context, thinking_tokens)
        number = self.outcome.begin()
        scope = context.scope.child(f"candidate {number}", thinking=budget.thinking, output=budget.output)
        shown = shown and self.may_show
        run = CandidateRun(number, _seen(replace(context, scope=scope), shown=shown))
        call = self._call(budget, sampling, messages)
        try:
            if thought:
                await run.insert_thinking(thought)
            await write(run, call, budget, wait_count, self.request_context.fallbacks(context.model))
            run.teach(budget)
        except (UpstreamError, EngineError):
            run.stop_reason = "upstream_error"
            if run.silent:
                raise
        except CapReached:
            run.stop_reason = "cost_cap"
            if run.silent:
                raise
        except BaseException:
            run.stop_reason = "cancelled"
            raise
        finally:
            run.let_go()
            candidate = self.outcome.close(run, shown=shown)
        return candidate

    async def think(
        self, thought: str, *, tokens: int, stop: str = "", sampling: Sampling | None = None
    ) -> Step:
        if not self.supports_prefix:
            raise BadRequest(
                f"{self.call_context.model.name!r} can't be stopped and resumed in the middle of a thought",
                hint="ask a model behind raw completion, such as an embedded one, or another strategy",
                field="strategy",
            )
        self._go_on()
        context = await self._begun(thought, self.request.messages)
        budget = self.budget.resolved(context, tokens)
        if not budget.thinking:
            raise CapReached(
                "no thinking tokens are left", hint="raise max_thinking_tokens", field="max_thinking_tokens"
            )
        step = _seen(replace(context, scope=context.scope.child("a step")), shown=False)
        run = CandidateRun(self.outcome.begin_auxiliary(), step)
        try:
            stopped = await generation.step(run, self._call(budget, sampling), thought, budget, stop)
        finally:
            run.let_go()
            self.outcome.left_out |= run.left_out
        paused = stop if stopped == "stop_sequence" else ""
        return Step(run.message.thinking + paused, run.usage.thinking, stopped == "stop")

    def on(self, model: str) -> "RequestSession":
        served = self.request_context.other(model)
        bound = served.expected_input(
            self.request.messages,
            self.request.output_spec,
            wanted=self.budget.thinking + served.answer_tokens,
            costs=self.call_context.scope.left.usd is not None,
        )
        return replace(
            self, call_context=replace(self.call_context, model=served, input_bound=bound), whole=None
        )

    async def run(self, spec: StrategySpec, sampling: Sampling | None = None) -> Candidate:
        strategy, options = with_options(spec)
        request_context = self.request_context
        if sampling is not None:
            request_context = replace(request_context, request=replace(self.request, sampling=sampling))
        session = replace(
            self, request_context=request_context, verifier_spec=spec.verifier or self.verifier_spec
        )
        chosen = await strategy(session, **options)
        return await session.verifier.verified(chosen) if spec.verifier is not None else chosen

    def _go_on(self) -> None:
        """Raises DeadlineTooShort where it's time to answer with what there is."""
        if (over := self.call_context.over) is not None:
            self.outcome.cut_by = over
            raise DeadlineTooShort("no time is left to go on", hint="raise deadline_ms")

    async def _begun(self, thought: str, messages: tuple[Message, ...]) -> CallContext:
        """The context of a call that goes on from a thought, or from more messages."""
        if not thought and messages is self.request.messages:
            return self.call_context
        model = self.call_context.model
        wanted = self.budget.thinking + model.answer_tokens
        bound = await bounded_input(self.request, model, messages, wanted=wanted, thought=thought)
        return replace(self.call_context, input_bound=bound)

    def _call(
        self, budget: TokenBudget, sampling: Sampling | None, messages: tuple[Message, ...] | None = None
    ) -> Call:
        model, effort = self.call_context.model, self.request_context.effort
        if self.whole is None and (usual := model.usual_tokens):
            effort = effort_for(budget.thinking, usual)
        return Call(
            model=model.upstream_name,
            family=model.family,
            messages=messages or self.request.messages,
            max_tokens=budget.output,
            effort=effort if budget.thinking else "none",
            by_default=self.request.effort is None,
            hidden=self.request.visibility == "hidden",
            output_spec=self.request.output_spec,
            cache=self.request.cache is not False,
            sampling=sampling or self.request.sampling,
            options=self.request.provider_options,
        )


class RequestBudget(Struct, frozen=True):
    """Implements `strategies.SessionBudget`."""

    session: RequestSession

    @property
    def thinking(self) -> int:
        left = self.session.call_context.scope.left.thinking
        assert left is not None  # the request's scope limits it
        return left

    def part(self, of: int, *, may_show: bool = False) -> "RequestSession":
        session = self.session
        context, left = session.call_context, session.call_context.scope.left
        scope = context.scope.child(
            f"one of {of} parts",
            thinking=self.thinking // of,
            output=None if left.output is None else left.output // of,
            usd=None if left.usd is None else left.usd / of,
        )
        return replace(
            session,
            call_context=replace(context, scope=scope),
            whole=None,
            may_show=may_show and session.may_show,
        )

    def fitting(self, count: int, like: Sequence["RequestSession"], length_margin: float) -> int:
        if not like:
            medium = self.session.call_context.model.effort_tokens["medium"] if self.thinking else 0
            wanted = Spend(thinking=medium)
        else:
            spent = sum((part.call_context.scope.spent for part in like), NOTHING)
            thinking, answer = (
                int(length_margin * each / len(like)) for each in (spent.thinking, spent.answer)
            )
            wanted = Spend(thinking, answer)
        parts = range(1, count + 1)
        return bisect_left(parts, True, key=lambda of: not self.part(of).budget.holds(wanted))

    def resolved(self, context: CallContext, thinking_tokens: int | None) -> TokenBudget:
        """The request's budget, resolved again where only a part is meant, or less is left.

        Raises CapReached where there is no room for another candidate.
        """
        outcome = self.session.outcome
        if thinking_tokens is None and self.session.whole is not None and outcome.untouched:
            return self.session.whole
        left = context.scope.left
        thinking = self.thinking if thinking_tokens is None else thinking_tokens
        if left.output is not None and left.output < 1:
            raise CapReached(
                "no tokens are left for another candidate",
                hint="raise max_completion_tokens, or ask for fewer candidates",
                field="max_completion_tokens",
            )
        limits = Limits(
            max_thinking_tokens=min(thinking, self.thinking),
            max_output_tokens=left.output,
            max_cost_usd=left.usd,
        )
        try:
            return self.session.request_context.resolve(context.model, context.input_bound, limits)
        except PromptTooLong as full:  # the prompt alone did fit, what was added to it doesn't
            if outcome.untouched:
                raise
            raise CapReached(full.message, hint="think less, or use a model with a longer context") from full

    def holds(self, wanted: Spend) -> bool:
        """A candidate may spend so much."""
        try:
            budget = self.resolved(self.session.call_context, None)
        except CapReached:
            return False
        return budget.thinking >= wanted.thinking and budget.output >= wanted.output


def _seen(context: CallContext, *, shown: bool) -> CallContext:
    """Of a candidate that clients see being written, or not."""
    return context if shown else replace(context, sink=context.hidden_sink)


def reconsidered(feedback: Feedback) -> str:
    """A thought that went wrong, its answer, and what was said of it: the thinking goes on from there.

    In the model's own voice: told to correct it, small models apologise there, and stop.
    """
    candidate = feedback.candidate
    parts = (candidate.thinking.rstrip(), f"My answer: {candidate.answer.strip()}", feedback.text, _MISTAKEN)
    return "\n\n".join(part for part in parts if part)
