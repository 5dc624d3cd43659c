"""A verifier beside any strategy: what it can't check is refused first, what it can is checked in the end."""

from typing import Any

import pytest
from scripted_candidates import tries
from spine import Spine, request

from perpend.errors import BadRequest
from perpend.strategies import strategies, strategy_spec
from perpend.types import Answer, Request, VerifierSpec

NEEDS: dict[str, dict[str, Any]] = {"cascade": {"models": ["m", "m"]}}
"""What some strategies can't be asked without."""


def asking(spec: object, verifier: VerifierSpec | None) -> Request:
    return request(max_thinking_tokens=64, strategy=strategy_spec(spec), verifier=verifier)


async def asked(spec: object, verifier: VerifierSpec | None, *said: str) -> Answer:
    return await Spine(tries(*said), family="generic").ask(asking(spec, verifier))


def plain(name: str) -> dict[str, Any]:
    return {"name": name, **NEEDS.get(name, {})}


WRONG: list[tuple[VerifierSpec, str]] = [
    (VerifierSpec("mathh", "7"), "verifier"),
    (VerifierSpec("answer", "7", {"colour": "red"}), "verifier.colour"),
]


@pytest.mark.parametrize(("verifier", "field"), WRONG)
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", strategies.names())
async def test_a_wrong_verifier_is_refused_by_every_strategy(
    name: str, inside: bool, verifier: VerifierSpec, field: str
) -> None:
    backend = tries("7", "7")
    spec = plain(name)
    if inside:
        spec["verifier"] = {"name": verifier.name, "gold": verifier.gold, **verifier.options}
    with pytest.raises(BadRequest) as refused:
        await Spine(backend, family="generic").ask(asking(spec, None if inside else verifier))
    assert refused.value.field == field
    assert not backend.calls


async def test_a_wrong_verifier_of_a_strategy_inside_another_is_refused_too() -> None:
    inner = {"name": "single", "verifier": {"name": "mathh"}}
    with pytest.raises(BadRequest, match="mathh"):
        await asked({"name": "best_of_n", "of": inner}, VerifierSpec("answer", "7"))


@pytest.mark.parametrize("name", ["single", "budget_forcing", "from_thought", "samples"])
async def test_what_needs_a_gold_is_refused_without_one(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await asked(name, VerifierSpec("answer"))
    assert refused.value.field == "verifier.gold"


async def test_votes_need_none() -> None:
    answer = await asked({"name": "self_consistency", "n": 2}, VerifierSpec("answer"), "7", "7.0")
    assert (answer.text, answer.verdict) == ("7", None)


@pytest.mark.parametrize(("said", "passed"), [("7", True), ("8", False)])
@pytest.mark.parametrize(
    "name", ["single", "budget_forcing", "self_consistency", "cascade", "best_of_n", "refine"]
)
async def test_the_answer_has_a_verdict(name: str, said: str, passed: bool) -> None:
    answer = await asked(plain(name), VerifierSpec("answer", "7"), *[said] * 8)
    assert answer.verdict is not None
    assert answer.verdict.passed is passed


async def test_a_share_of_votes_stays_the_score() -> None:
    answer = await asked({"name": "self_consistency", "n": 2}, VerifierSpec("answer", "7"), "8", "8")
    chosen = next(one for one in answer.candidates if one.index == answer.chosen)
    assert (chosen.score, answer.verdict and answer.verdict.passed) == (1.0, False)


async def test_of_several_samples_each_has_its_verdict() -> None:
    answer = await asked({"name": "samples", "n": 2}, VerifierSpec("answer", "7"), "7", "8")
    assert [one.verdict and one.verdict.passed for one in answer.candidates] == [True, False]
