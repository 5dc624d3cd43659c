"""A forecast bounds what a run may take, and says what requests of its kind took; it doesn't guess."""

from decimal import Decimal

import pytest
from costs import known
from msgspec.structs import replace
from spine import PRICED, Spine
from words import WordBackend

from perpend.evals.problems import Problem
from perpend.evals.runs.run import request_of
from perpend.evals.runs.samples import RunSettings
from perpend.evals.stats.forecast import Consumption, Forecast, forecast, of_gateway, pace_of
from perpend.storage.past_requests import PastRequest
from perpend.types import Message, VerifierSpec

PROBLEMS = [
    Problem(id=name, messages=(Message("user", f"what is {name}"),), verifier=VerifierSpec("exact", "1"))
    for name in "ab"
]
SETTINGS = RunSettings(
    suite="s", problems=("a", "b"), fingerprint="", target="local", samples=5, max_thinking_tokens=100
)
SECOND = 1000


def past(
    begun: int, ended: int, *, output: int = 50, thinking: int = 100, strategy: str = "single"
) -> PastRequest:
    return PastRequest(strategy, thinking, output - 10, 10, begun, ended, Decimal("0.02"))


def foretold(history: list[PastRequest], settings: RunSettings = SETTINGS, parallel: int = 2) -> Forecast:
    model = Spine(WordBackend(thought=1, reply=1), price=PRICED).model
    return forecast(PROBLEMS, settings, model, "medium", history, parallel)


def test_requests_of_the_same_kind_tell_what_to_expect() -> None:
    found = foretold([past(0, SECOND), past(0, SECOND), past(9000, 9000 + SECOND, output=60)])
    assert (found.n, found.samples, found.alike) == (2, 10, 3)
    assert found.expected.output_tokens == 533
    assert found.expected.cost_usd == Decimal("0.2")
    tokens_per_s, at_once = 160 / 2, 3 / 2
    assert found.expected.seconds == pytest.approx(533 / (tokens_per_s * 2 / at_once))


def test_other_strategies_and_budgets_tell_the_pace_alone() -> None:
    found = foretold([past(0, SECOND, thinking=512), past(0, SECOND, strategy="refine")])
    assert found.alike == 0
    assert found.expected == Consumption()
    assert found.pace is not None
    assert found.at_most.seconds is not None


def test_without_history_time_is_not_known() -> None:
    found = foretold([])
    assert found.pace is None
    assert found.at_most.seconds is None
    assert found.at_most.output_tokens == 10 * (
        100 + Spine(WordBackend(thought=1, reply=1)).model.answer_tokens
    )


async def test_what_it_costs_at_most_is_enough_for_a_request() -> None:
    spine = Spine(WordBackend(thought=200, reply=200), price=PRICED)
    limited = replace(SETTINGS, samples=1, max_output_tokens=120)
    found = forecast(PROBLEMS, limited, spine.model, "medium", [], 1)
    answers = [await spine.ask(request_of(problem, 0, limited)) for problem in PROBLEMS]
    assert found.at_most.cost_usd is not None
    assert sum(known(answer.cost_usd) for answer in answers) <= found.at_most.cost_usd
    assert sum(answer.usage.output for answer in answers) == found.at_most.output_tokens


def test_it_says_how_small_a_difference_can_show() -> None:
    assert foretold([]).detectable == pytest.approx(2.8 * 0.5 / len(PROBLEMS) ** 0.5, abs=0.01)


def test_a_strategy_of_several_answers_has_no_bound_of_its_own() -> None:
    assert foretold([], replace(SETTINGS, strategy="self_consistency")).at_most == Consumption()


def test_time_between_requests_does_not_count_and_time_side_by_side_counts_once() -> None:
    pace = pace_of([past(0, SECOND), past(500, SECOND + 500), past(60_000, 60_500)])
    assert pace is not None
    assert pace.tokens_per_s == pytest.approx(150 / 2)
    assert pace.at_once == pytest.approx(2.5 / 2)


def test_of_a_gateway_the_prompts_are_known() -> None:
    found = of_gateway(PROBLEMS, SETTINGS)
    assert found.prompt_tokens >= 10 * len("what is a")
    assert (found.at_most, found.expected) == (Consumption(), Consumption())
