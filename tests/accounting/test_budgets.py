"""Token budgets: the answer always has room, and no limit is passed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.accounting.budgets import Costs, ModelBounds, token_budget
from perpend.errors import CapReached, PromptTooLong
from perpend.types import EFFORTS, Effort, Limits

TOKENS: dict[Effort, int] = {
    "none": 0,
    "minimal": 64,
    "low": 128,
    "medium": 512,
    "high": 2048,
    "max": 8192,
}
COUNT = st.integers(0, 20_000)
OUTPUT = st.none() | st.integers(1, 20_000)
MONEY = st.decimals(0, Decimal("0.01"), places=6)
CAP = st.decimals(0, 1, places=6)


@given(
    st.sampled_from(EFFORTS),
    st.none() | COUNT,
    OUTPUT,
    st.integers(1, 4096),
    st.none() | st.integers(33, 40_000),
)
def test_the_answer_has_room_inside_every_limit(
    effort: Effort, thinking: int | None, output: int | None, answer: int, context: int | None
) -> None:
    limits = Limits(max_thinking_tokens=thinking, max_output_tokens=output)
    budget = token_budget(limits, effort, TOKENS, answer, context=context)
    assert budget.answer >= 1
    assert 0 <= budget.thinking <= budget.requested_thinking
    assert budget.thinking + budget.answer <= budget.output
    assert (budget.thinking < budget.requested_thinking) == (budget.lowered_by is not None)
    if output is not None:
        assert budget.output <= output
    if context is not None:
        assert budget.thinking + budget.answer < context


@given(COUNT, st.integers(1, 4096), st.builds(Costs, fixed=MONEY, thinking=MONEY, answer=MONEY), CAP)
def test_a_cap_is_never_passed_in_the_worst_case(
    thinking: int, answer: int, costs: Costs, cap: Decimal
) -> None:
    limits = Limits(max_thinking_tokens=thinking, max_cost_usd=cap)
    if costs.fixed + costs.answer * min(answer, 32) > cap:
        with pytest.raises(CapReached) as refused:
            token_budget(limits, "medium", TOKENS, answer, costs=costs)
        assert refused.value.field == "max_cost_usd"
        return
    budget = token_budget(limits, "medium", TOKENS, answer, costs=costs)
    assert budget.answer >= 1
    assert costs.fixed + costs.thinking * budget.thinking + costs.answer * budget.answer <= cap


def test_a_small_max_tokens_shrinks_the_thinking() -> None:
    budget = token_budget(Limits(max_output_tokens=100), "medium", TOKENS, 1024)
    assert budget.lowered_by == "max_tokens"
    assert (budget.thinking, budget.answer, budget.output) == (68, 32, 100)


def test_thinking_asked_for_in_tokens_is_given_when_both_fit() -> None:
    limits = Limits(max_thinking_tokens=256, max_output_tokens=304)
    budget = token_budget(limits, "medium", TOKENS, 1024)
    assert (budget.thinking, budget.answer, budget.lowered_by) == (256, 48, None)


def test_no_effort_means_no_thinking_whatever_else_is_asked() -> None:
    assert token_budget(Limits(max_thinking_tokens=99), "none", TOKENS, 100).thinking == 0


def test_a_prompt_that_fills_the_context_is_refused() -> None:
    with pytest.raises(PromptTooLong, match="prompt is too long: 60 tokens > 37 maximum"):
        token_budget(Limits(), "low", TOKENS, 100, context=70, prompt=60)


@given(
    st.sampled_from(EFFORTS),
    st.none() | COUNT,
    OUTPUT,
    st.integers(1, 4096),
    st.none() | st.integers(1, 20_000),
    st.none() | st.integers(0, 20_000),
)
def test_no_model_is_asked_for_more_than_it_does(
    effort: Effort,
    thinking: int | None,
    output: int | None,
    answer: int,
    most: int | None,
    most_thinking: int | None,
) -> None:
    limits = Limits(max_thinking_tokens=thinking, max_output_tokens=output)
    budget = token_budget(limits, effort, TOKENS, answer, model=ModelBounds(most, most_thinking))
    assert budget.answer >= 1
    assert budget.thinking + budget.answer <= budget.output
    assert budget.output <= min(most or budget.output, output or budget.output)
    assert budget.thinking <= (budget.thinking if most_thinking is None else most_thinking)
    assert (budget.thinking < budget.requested_thinking) == (budget.lowered_by is not None)


def test_thinking_gives_way_first_to_what_a_model_writes() -> None:
    budget = token_budget(
        Limits(max_thinking_tokens=100_000), "high", TOKENS, 4096, model=ModelBounds(32_000)
    )
    assert (budget.thinking, budget.answer, budget.output) == (27_904, 4096, 32_000)
    assert budget.lowered_by == "model"


def test_a_client_that_allows_more_than_a_model_writes_gets_what_it_writes() -> None:
    budget = token_budget(Limits(max_output_tokens=100_000), "low", TOKENS, 4096, model=ModelBounds(16_384))
    assert (budget.thinking, budget.output, budget.max_answer) == (128, 16_384, 16_384)
    assert budget.lowered_by is None
