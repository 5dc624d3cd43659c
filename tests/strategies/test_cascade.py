"""What cheap models aren't sure of goes up to a stronger one, which has the budget that is left."""

from collections.abc import Mapping
from typing import Any

import pytest
import recorded_choices
from shared_data import shared
from spine import Spine, request
from words import WordBackend

from perpend.backends.replay import ReplayBackend
from perpend.errors import BadRequest, UpstreamError
from perpend.types import Answer, AnswerDelta, CallEnded, StrategySpec, Usage, VerifierSpec


def says(*answers: str) -> ReplayBackend:
    """A chat server that gives these answers without thinking."""
    return ReplayBackend([[[AnswerDelta(a, 1)], [CallEnded("stop", Usage(9, 0, 0, 1))]] for a in answers])


async def asked(served: Mapping[str, ReplayBackend], **options: Any) -> Answer:
    levels = options.pop("models", list(served))
    verifier = options.pop("verifier", None)
    spec = StrategySpec("cascade", {"models": levels, **options}, verifier)
    return await Spine(says(), others=served).ask(request(effort="none", strategy=spec))


async def test_cheap_samples_that_agree_are_the_answer() -> None:
    answer = await asked({"cheap": says("12", "12.0"), "strong": says()})
    assert (answer.text, answer.model) == ("12", "cheap")
    assert answer.plan.reason.endswith("answered by cheap: 2 of 2 samples agreed")


async def test_those_that_disagree_go_up() -> None:
    answer = await asked({"cheap": says("12", "13"), "strong": says("14")})
    assert (answer.text, answer.model) == ("14", "strong")
    assert [(one.model, one.answer) for one in answer.candidates] == [
        ("cheap", "12"),
        ("cheap", "13"),
        ("strong", "14"),
    ]
    assert answer.plan.reason.endswith("escalated to strong: 1 of 2 samples agreed")


async def test_a_rung_may_be_several_models() -> None:
    models = {"a": says("12"), "b": says("12"), "strong": says()}
    answer = await asked(models, models=[["a", "b"], "strong"], threshold=1.0)
    assert {one.model for one in answer.candidates} == {"a", "b"}
    assert answer.text == "12"


async def test_an_outcome_that_is_certain_takes_no_more_samples() -> None:
    cheap = says("12", "13", "14", "15", "16")
    spine = Spine(says(), others={"cheap": cheap, "strong": says("17")}, width=1)
    spec = StrategySpec("cascade", {"models": ["cheap", "strong"], "samples": 5, "threshold": 0.8})
    answer = await spine.ask(request(effort="none", strategy=spec))
    assert len(cheap.calls) == 3, "three that differ leave two, and at most 3 of 5 alike"
    assert answer.text == "17"


async def test_every_rung_is_tried_in_turn() -> None:
    models = {"small": says("1", "2"), "middle": says("3", "3"), "large": says()}
    answer = await asked(models)
    assert (answer.text, answer.model) == ("3", "middle")
    assert "escalated to middle: 1 of 2 samples agreed, answered by middle" in answer.plan.reason


@pytest.mark.parametrize(("gold", "text"), [("12", "12"), ("99", "14")])
async def test_a_verifiers_score_may_be_the_signal(gold: str, text: str) -> None:
    models = {"cheap": says("12"), "strong": says("14")}
    answer = await asked(models, signal="score", samples=1, verifier=VerifierSpec("answer", gold))
    assert answer.text == text
    assert all(one.verdict is not None for one in answer.candidates)


async def test_the_budget_that_is_left_is_the_strong_ones() -> None:
    models = {"cheap": WordBackend(thought=10, reply=2), "strong": WordBackend(thought=500, reply=3)}
    spec = StrategySpec("cascade", {"models": ["cheap", "strong"], "threshold": 1.0}, VerifierSpec("exact"))
    spine = Spine(says(), others=models)
    answer = await spine.ask(request(max_thinking_tokens=100, strategy=spec))
    assert [one.usage.thinking for one in answer.candidates] == [10, 10]
    models = {"cheap": WordBackend(thought=500, reply=2), "strong": WordBackend(thought=500, reply=3)}
    spec = StrategySpec("cascade", {"models": ["cheap", "strong"], "samples": 1, "signal": "score"}, _NEVER)
    answer = await Spine(says(), others=models).ask(request(max_thinking_tokens=100, strategy=spec))
    assert [one.usage.thinking for one in answer.candidates] == [50, 50]


_NEVER = VerifierSpec("exact", "never said")


async def test_an_upstream_that_fails_below_is_a_reason_to_go_up() -> None:
    broken = ReplayBackend([[UpstreamError("gone")], [UpstreamError("gone")]])
    answer = await asked({"cheap": broken, "strong": says("14")})
    assert answer.text == "14"
    assert "escalated to strong: no answer came" in answer.plan.reason


async def test_one_that_fails_above_leaves_the_best_below() -> None:
    broken = ReplayBackend([[UpstreamError("gone")]])
    answer = await asked({"cheap": says("12", "13"), "strong": broken})
    assert answer.text in ("12", "13")
    assert answer.model == "cheap"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "strategy.models"),
        ({"models": []}, "strategy.models"),
        ({"models": ["a", ["a", "b"]]}, "strategy.models"),
        ({"models": ["a"], "signal": "score"}, "verifier"),
    ],
)
async def test_wrong_options_are_refused(options: dict[str, Any], field: str) -> None:
    spine = Spine(says(), others={"a": says(), "b": says()})
    with pytest.raises(BadRequest) as refused:
        await spine.ask(request(strategy=StrategySpec("cascade", options)))
    assert refused.value.field == field


async def test_replayed_answers_of_real_models_come_to_the_figures_that_are_counted_from_them() -> None:
    """Every 24th of 12,032 questions; benchmarks/replay_cascade.py takes them all."""
    names, rows = recorded_choices.read(shared("outcomes"))
    rows = rows[::24]
    one, other = (names.index(name) for name in recorded_choices.CHEAP)
    strong = names.index(recorded_choices.STRONG)
    spine = recorded_choices.recorded(names, rows)
    options = {"models": [list(recorded_choices.CHEAP), recorded_choices.STRONG], "threshold": 1.0}
    for row in rows:
        alike = row.preds[one] == row.preds[other] and row.preds[one].isalpha()
        expected = row.preds[one if alike else strong]
        answer = await recorded_choices.asked(spine, row, options)
        if expected.isalpha():
            assert answer.text == expected
            assert answer.model == recorded_choices.STRONG or alike
