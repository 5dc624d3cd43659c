"""The session that strategies get: samples inside one request's budget, with everything accounted."""

from collections.abc import Callable
from dataclasses import replace as with_changes
from decimal import Decimal

from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.backends.contract import Call
from perpend.errors import CapReached, EngineError, UpstreamError
from perpend.solve import phases
from perpend.solve.draft import Draft
from perpend.solve.means import Means
from perpend.types import Candidate, Effort, Limits, Request, Usage


class Session:
    """Implements `strategies.Session` over one model."""

    def __init__(
        self,
        request: Request,
        effort: Effort,
        budget: TokenBudget,
        resolve: Callable[[Limits], TokenBudget],
        means: Means,
    ) -> None:
        self.request = request
        self.candidates: list[Candidate] = []
        self.best: Candidate | None = None
        self.usage = Usage()
        self.cost_usd = Decimal(0)
        self.model_version: str | None = None
        self._effort: Effort = effort
        self._budget = budget
        self._resolve = resolve
        self._means = means
        self._drafts = 0

    @property
    def thinking_budget(self) -> int:
        left = self._means.scope.left.thinking
        return self._budget.thinking if left is None else left

    def keep(self, candidate: Candidate) -> None:
        self.best = candidate

    async def sample(
        self, *, thinking_tokens: int | None = None, waits: int = 0, temperature: float | None = None
    ) -> Candidate:
        budget = self._budget_for(thinking_tokens)
        model = self._means.model
        scope = self._means.scope.child(
            f"candidate {self._drafts}", thinking=budget.thinking, output=budget.output
        )
        draft = Draft(self._drafts, with_changes(self._means, scope=scope))
        self._drafts += 1
        sampling = self.request.sampling
        effort: Effort = self._effort if budget.thinking else "none"
        base = Call(
            model=model.upstream_name,
            family=model.family,
            messages=self.request.messages,
            max_tokens=budget.output,
            effort=effort,
            form=self.request.form,
            sampling=sampling if temperature is None else replace(sampling, temperature=temperature),
        )
        try:
            if model.backend.continues:
                await phases.continued(draft, base, budget, waits)
            else:
                await phases.watched(draft, base, budget)
        except (UpstreamError, EngineError):
            draft.stop_reason = "upstream_error"
            if draft.said.empty:
                raise
        except CapReached:
            draft.stop_reason = "cost_cap"
            if draft.said.empty:
                raise
        except BaseException:
            draft.stop_reason = "cancelled"
            raise
        finally:
            draft.let_go()
            candidate = draft.candidate()
            self.usage += draft.usage
            self.cost_usd += draft.cost_usd
            self.model_version = draft.model_version or self.model_version
            if not draft.said.empty:
                self.candidates.append(candidate)
                self.best = self.best or candidate
        return candidate

    def _budget_for(self, thinking_tokens: int | None) -> TokenBudget:
        """The request's budget, resolved again where only a share is meant, or less is left."""
        if thinking_tokens is None and not self._drafts:
            return self._budget
        left = self._means.scope.left
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
        return self._resolve(limits)
