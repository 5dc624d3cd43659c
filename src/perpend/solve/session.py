"""The session that strategies get: samples inside one request's budget, with everything accounted."""

from collections.abc import Callable
from dataclasses import replace as with_changes
from decimal import Decimal

from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.backends.contract import Call
from perpend.errors import CapReached, EngineError, UpstreamError
from perpend.solve.draft import Draft
from perpend.solve.means import Means
from perpend.solve.model import ServedModel
from perpend.solve.standin import Resolve, StandIns, write
from perpend.types import Candidate, Effort, Limits, Request, Sampling, Usage


class Session:
    """Implements `strategies.Session` over one model."""

    def __init__(
        self,
        request: Request,
        effort: Effort,
        budget: TokenBudget,
        resolve: Resolve,
        means: Means,
        served: Callable[[str], ServedModel],
    ) -> None:
        self.request = request
        self.candidates: list[Candidate] = []
        self.best: Candidate | None = None
        self.usage = Usage()
        self.cost_usd = Decimal(0)
        self.model_version: str | None = None
        self.model = means.model
        """Who wrote the last candidate that says something."""
        self.provider = means.model.provider
        self._effort: Effort = effort
        self._budget = budget
        self._resolve = resolve
        self._means = means
        self._served = served
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
        scope = self._means.scope.child(
            f"candidate {self._drafts}", thinking=budget.thinking, output=budget.output
        )
        draft = Draft(self._drafts, with_changes(self._means, scope=scope))
        self._drafts += 1
        sampling = self.request.sampling
        if temperature is not None:
            sampling = replace(sampling, temperature=temperature)
        try:
            await write(draft, self._call(budget, sampling), budget, waits, self._stand_ins())
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
                self.model, self.provider = draft.means.model, draft.provider or draft.means.model.provider
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
        return self._resolve(self._means.model, self._means.input_bound, limits)

    def _call(self, budget: TokenBudget, sampling: Sampling) -> Call:
        model = self._means.model
        return Call(
            model=model.upstream_name,
            family=model.family,
            messages=self.request.messages,
            max_tokens=budget.output,
            effort=self._effort if budget.thinking else "none",
            form=self.request.form,
            sampling=sampling,
        )

    def _stand_ins(self) -> StandIns:
        return StandIns(self.request, self._means.model.fallbacks, self._served, self._resolve)
