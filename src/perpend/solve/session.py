"""The session that strategies get: everything that it hands out is inside the request's budget, and accounted."""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Sequence
from typing import TypeVar

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
from perpend.solve.auxiliary_call import AuxiliaryCalls
from perpend.solve.call_context import CallContext
from perpend.solve.candidate_run import CandidateRun
from perpend.solve.count import bounded_input
from perpend.solve.fallback import write
from perpend.solve.request_context import RequestContext, needs_gold
from perpend.solve.tally import Tally
from perpend.strategies import Feedback, Step, with_options
from perpend.types import (
    Candidate,
    Judged,
    Limits,
    Message,
    Request,
    Sampling,
    StrategySpec,
    Verdict,
    VerifierSpec,
)
from perpend.verifiers import Task, Verifier

Checked = TypeVar("Checked")

_CORRECT_IT = "Find the mistake and correct it."
_MISTAKEN = "Wait, the mistake is that"
_FINAL = VerifierSpec("answer")
"""How answers are compared where the request names no verifier."""


class RequestSession(Struct, frozen=True):
    """Implements `strategies.Session` in one scope of the budget."""

    terms: RequestContext
    account: Tally
    means: CallContext
    verifier: VerifierSpec | None = None
    whole: TokenBudget | None = None
    """The request's budget, for a first candidate that may have all of it."""
    may_show: bool = True

    @property
    def request(self) -> Request:
        return self.terms.request

    @property
    def thinking_budget(self) -> int:
        left = self.means.scope.left.thinking
        assert left is not None  # the request's scope limits it
        return left

    @property
    def width(self) -> int:
        return self.means.model.width()

    @property
    def supports_prefix(self) -> bool:
        return self.means.model.backend.supports_prefix

    @property
    def best(self) -> Candidate | None:
        return self.account.best

    def keep(self, candidate: Candidate) -> None:
        self.account.best = candidate

    def note(self, said: str) -> None:
        self.account.notes.append(said)

    def part(self, of: int, *, may_show: bool = False) -> "RequestSession":
        left = self.means.scope.left
        scope = self.means.scope.child(
            f"one of {of} parts",
            thinking=self.thinking_budget // of,
            output=None if left.output is None else left.output // of,
            usd=None if left.usd is None else left.usd / of,
        )
        return replace(
            self, means=replace(self.means, scope=scope), whole=None, may_show=may_show and self.may_show
        )

    def fitting(self, count: int, like: Sequence["RequestSession"], room: float) -> int:
        if not like:
            medium = self.means.model.effort_tokens["medium"] if self.thinking_budget else 0
            wanted = Spend(thinking=medium)
        else:
            spent = sum((part.means.scope.spent for part in like), NOTHING)
            thinking, answer = (int(room * each / len(like)) for each in (spent.thinking, spent.answer))
            wanted = Spend(thinking, answer)
        parts = range(1, count + 1)
        return bisect_left(parts, True, key=lambda of: not self.part(of)._holds(wanted))

    def on(self, model: str) -> "RequestSession":
        served = self.terms.other(model)
        bound = served.expected_input(
            self.request.messages,
            self.request.output_spec,
            wanted=self.thinking_budget + served.answer_tokens,
            costs=self.means.scope.left.usd is not None,
        )
        return replace(self, means=replace(self.means, model=served, input_bound=bound), whole=None)

    async def run(self, spec: StrategySpec, sampling: Sampling | None = None) -> Candidate:
        strategy, options = with_options(spec)
        terms = self.terms
        if sampling is not None:
            terms = replace(terms, request=replace(self.request, sampling=sampling))
        session = replace(self, terms=terms, verifier=spec.verifier or self.verifier)
        chosen = await strategy(session, **options)
        return await session.verified(chosen) if spec.verifier is not None else chosen

    async def sample(
        self,
        *,
        thinking_tokens: int | None = None,
        waits: int = 0,
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
        means = await self._begun(thought, messages)
        budget = self._budget(means, thinking_tokens)
        number = self.account.begin()
        scope = means.scope.child(f"candidate {number}", thinking=budget.thinking, output=budget.output)
        shown = shown and self.may_show
        draft = CandidateRun(
            number, replace(means, scope=scope, emit=means.emit if shown else self.terms.unseen)
        )
        call = self._call(budget, sampling, messages)
        try:
            if thought:
                await draft.insert_thinking(thought)
            await write(draft, call, budget, waits, self.terms.fallbacks(means.model))
            draft.teach(budget)
        except (UpstreamError, EngineError):
            draft.stop_reason = "upstream_error"
            if draft.silent:
                raise
        except CapReached:
            draft.stop_reason = "cost_cap"
            if draft.silent:
                raise
        except BaseException:
            draft.stop_reason = "cancelled"
            raise
        finally:
            draft.let_go()
            candidate = self.account.close(draft, shown=shown)
        return candidate

    async def think(
        self, thought: str, *, tokens: int, stop: str = "", sampling: Sampling | None = None
    ) -> Step:
        if not self.supports_prefix:
            raise BadRequest(
                f"{self.means.model.name!r} can't be stopped and resumed in the middle of a thought",
                hint="ask a model behind raw completion, such as an embedded one, or another strategy",
                field="strategy",
            )
        self._go_on()
        means = await self._begun(thought, self.request.messages)
        budget = self._budget(means, tokens)
        if not budget.thinking:
            raise CapReached(
                "no thinking tokens are left", hint="raise max_thinking_tokens", field="max_thinking_tokens"
            )
        draft = CandidateRun(self.account.aside(), replace(means, emit=self.terms.unseen))
        try:
            ending = await generation.step(draft, self._call(budget, sampling), thought, budget, stop)
        finally:
            draft.let_go()
            self.account.pay(draft)
        paused = stop if ending == "stop_sequence" else ""
        return Step(draft.said.thinking + paused, draft.usage.thinking, ending == "stop")

    async def verified(self, candidate: Candidate) -> Candidate:
        spec, unanswered = self.verifier, candidate.stop_reason == "tool_calls"
        if spec is None or candidate.verdict is not None or unanswered:
            return candidate
        if spec.gold is None and self.terms.verifier(spec).needs_gold:  # votes were counted by it
            return candidate
        cut, judged = self.account.cut, candidate
        if candidate.index not in self.account.unverified:
            judged = await self.verify(candidate)
        self.account.cut = cut  # the answer came whole
        if judged.verdict is None:
            self.note("unverified: its verifier failed, or no time or budget was left")
        elif candidate.score is not None:
            return self.score(judged, candidate.score)
        return judged

    def need_verifier(self, strategy: str) -> None:
        spec = self.verifier
        if spec is None:
            hint = 'such as "verifier": "self_score", or {"name": "math", "gold": "42"}'
            raise BadRequest(f"{strategy} needs a verifier", hint=hint, field="verifier")
        if spec.gold is None and self.terms.verifier(spec).needs_gold:
            raise needs_gold(spec.name)

    async def verify(self, candidate: Candidate) -> Candidate:
        assert self.verifier is not None, "strategies call need_verifier first"
        verdict = await self._verdict(self.verifier, candidate)
        if verdict is None:
            self.account.unverified.add(candidate.index)
            return candidate
        await self.means.note(Judged(verdict, candidate.index))
        judged = replace(candidate, verdict=verdict, score=verdict.score)
        self.account.replace(judged)
        return judged

    @property
    def judged(self) -> bool:
        return self.verifier is not None and self.terms.verifier(self.verifier).needs_model

    @property
    def rates_thoughts(self) -> bool:
        return self.verifier is not None and self.terms.verifier(self.verifier).rates_thoughts

    async def rate(self, thought: str) -> float | None:
        assert self.verifier is not None, "only a verifier rates thoughts"
        verdict = await self._verdict(self.verifier, Candidate(answer="", thinking=thought, index=-1))
        return None if verdict is None else verdict.score

    def score(self, candidate: Candidate, score: float) -> Candidate:
        scored = replace(candidate, score=score)
        self.account.replace(scored)
        return scored

    async def same(self, first: str, second: str) -> bool:
        if first == second:
            return True
        try:
            async with asyncio.timeout_at(self.means.clock.deadline):
                return await self.terms.verifier(self.verifier or _FINAL).same(first, second)
        except TimeoutError:
            return False

    async def compare(self, first: Candidate, second: Candidate) -> float | None:
        assert self.verifier is not None, "strategies call need_verifier first"
        verifier, task = self._at_hand(self.verifier)
        return await self._in_time(verifier.compare(task, first, second))

    async def _verdict(self, spec: VerifierSpec, candidate: Candidate) -> Verdict | None:
        verifier, task = self._at_hand(spec)
        return await self._in_time(verifier.verify(task, candidate))

    def _at_hand(self, spec: VerifierSpec) -> tuple[Verifier, Task]:
        asking = AuxiliaryCalls(self.terms, self.account, self.means)
        return self.terms.verifier(spec), Task(question=_question(self.request), gold=spec.gold, model=asking)

    async def _in_time(self, checking: Awaitable[Checked]) -> Checked | None:
        """None where no time or budget is left to check."""
        try:
            async with self.means.in_time():
                return await checking
        except TimeoutError:
            self.account.cut = self.means.over or "deadline"
        except (CapReached, DeadlineTooShort, UpstreamError, EngineError):
            pass
        except BadRequest as error:  # what shows only now doesn't cost the answer
            self.note(f"can't be verified: {error.message}")
        return None

    def _go_on(self) -> None:
        """Raises DeadlineTooShort where it's time to answer with what there is."""
        if (over := self.means.over) is not None:
            self.account.cut = over
            raise DeadlineTooShort("no time is left to go on", hint="raise deadline_ms")

    async def _begun(self, thought: str, messages: tuple[Message, ...]) -> CallContext:
        """The means of a call that goes on from so much."""
        if not thought and messages is self.request.messages:
            return self.means
        model = self.means.model
        wanted = self.thinking_budget + model.answer_tokens
        bound = await bounded_input(self.request, model, messages, wanted=wanted, thought=thought)
        return replace(self.means, input_bound=bound)

    def _budget(self, means: CallContext, thinking_tokens: int | None) -> TokenBudget:
        """The request's budget, resolved again where only a part is meant, or less is left."""
        if thinking_tokens is None and self.whole is not None and self.account.untouched:
            return self.whole
        left = means.scope.left
        thinking = self.thinking_budget if thinking_tokens is None else thinking_tokens
        if left.output is not None and left.output < 1:
            raise CapReached(
                "no tokens are left for another candidate",
                hint="raise max_completion_tokens, or ask for fewer candidates",
                field="max_completion_tokens",
            )
        limits = Limits(
            max_thinking_tokens=min(thinking, self.thinking_budget),
            max_output_tokens=left.output,
            max_cost_usd=left.usd,
        )
        try:
            return self.terms.resolve(means.model, means.input_bound, limits)
        except PromptTooLong as full:  # the prompt alone did fit, what was added to it doesn't
            if self.account.untouched:
                raise
            raise CapReached(full.message, hint="think less, or use a model with a longer context") from full

    def _holds(self, wanted: Spend) -> bool:
        try:
            budget = self._budget(self.means, None)
        except CapReached:
            return False
        return budget.thinking >= wanted.thinking and budget.output >= wanted.output

    def _call(
        self, budget: TokenBudget, sampling: Sampling | None, messages: tuple[Message, ...] | None = None
    ) -> Call:
        model, effort = self.means.model, self.terms.effort
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
            cache=self.request.cache,
            sampling=sampling or self.request.sampling,
            options=self.request.provider_options,
        )


def reconsidered(feedback: Feedback) -> str:
    """A thought that went wrong, its answer, and what was said of it: the thinking goes on from there.

    In the model's own voice: told to correct it, small models apologise there, and stop.
    """
    candidate = feedback.candidate
    parts = (candidate.thinking.rstrip(), f"My answer: {candidate.answer.strip()}", feedback.text, _MISTAKEN)
    return "\n\n".join(part for part in parts if part)


def _question(request: Request) -> str:
    """What was last asked."""
    asked = [message.text for message in request.messages if message.role == "user"]
    return asked[-1] if asked else ""
