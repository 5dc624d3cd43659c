"""A candidate is written to its end by whoever can: its model, then the models that stand in for it.

A stand-in gets what is left of the budget, in its own prices and its own window. It thinks on where its wire goes on
from a prefix, and answers from the thought so far where it doesn't.
"""

import asyncio
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.backends.contract import Call
from perpend.errors import CapReached, ContextTooLong, EngineError, PerpendError, UpstreamError
from perpend.solve import generation
from perpend.solve.candidate_run import CandidateRun
from perpend.solve.model import ServedModel
from perpend.transport.client import ENGINE_EXIT_NOTICED_S
from perpend.types import Limits, Request

Tried = list[tuple[str, PerpendError]]
"""Models by name, and why each wrote nothing."""
Resolve = Callable[[ServedModel, int, Limits], TokenBudget]
"""The budget of a model whose prompt has so many tokens at most, under these limits."""


class Fallbacks:
    """The fallbacks of one candidate; each is turned to once."""

    def __init__(
        self, request: Request, names: tuple[str, ...], served: Callable[[str], ServedModel], resolve: Resolve
    ) -> None:
        self._request = request
        self._names: Iterator[str] = iter(names)
        self._served = served
        self._resolve = resolve

    def turn(self, run: CandidateRun, tried: Tried) -> TokenBudget | None:
        """Hand `draft` to the next one that the limits allow; its budget, or None where nobody is left.

        Who was passed over, and why, is noted in `tried`.
        """
        run.let_go()
        if run.context.clock.expired:
            return None
        for name in self._names:
            try:
                model = self._served(name)
                budget = self._budget(run, model)
            except PerpendError as error:  # its window is too small for the prompt, or its price for the cap
                tried.append((name, error))
                continue
            if budget is not None:
                return budget
            tried.append((name, CapReached("its price isn't known, and max_cost_usd has to hold")))
        return None

    def _budget(self, run: CandidateRun, model: ServedModel) -> TokenBudget | None:
        thought, left, said = run.usage.thinking, run.context.scope.left, run.message.thinking
        if left.usd is not None and not model.price.known:
            return None
        request = self._request
        wanted, costs = (left.thinking or 0) + model.answer_tokens, left.usd is not None
        bound = model.expected_input(request.messages, request.output_spec, wanted=wanted, costs=costs)
        if said:
            bound += model.thought_bound(said)
        limits = Limits(
            max_thinking_tokens=left.thinking, max_output_tokens=left.output, max_cost_usd=left.usd
        )
        budget = self._resolve(model, bound, limits)
        run.turn_to(replace(run.context, model=model, input_bound=bound))
        return replace(budget, thinking=budget.thinking + thought, output=budget.output + thought)


async def write(
    run: CandidateRun, base: Call, budget: TokenBudget, wait_count: int, fallbacks: Fallbacks
) -> None:
    """Think and answer. Raises the last failure, which names all that was tried.

    Who died while it thought, and has nobody to stand in, is asked once more: to answer from the thought so far.
    """
    tried: Tried = []
    while True:
        model = run.context.model
        if base.family is not model.family or base.model != model.upstream_name:
            base = replace(base, model=model.upstream_name, family=model.family)
        try:
            if model.backend.supports_prefix:
                await generation.continued(run, base, budget, wait_count)
            else:
                await generation.watched(run, base, budget)
            return
        except (UpstreamError, EngineError) as error:
            tried.append((model.name, error))
            if run.message.answering or not _helped(error):
                raise
            turned = fallbacks.turn(run, tried)
            if turned is None:
                if not run.message.thinking or run.stop_reason == "upstream_error":
                    if len(tried) > 1:
                        error.with_attempts(tried, between="; then ")
                    raise
                run.stop_reason = "upstream_error"
                break
            budget = turned
    await asyncio.sleep(ENGINE_EXIT_NOTICED_S)
    await generation.answered(run, base, budget)


def _helped(error: PerpendError) -> bool:
    """Somebody else may do better; one with a longer window may, where the prompt was too long."""
    return not isinstance(error, UpstreamError) or error.retry_elsewhere or isinstance(error, ContextTooLong)
