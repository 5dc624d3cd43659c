"""Grading by a problem's own verifier."""

import pytest

from perpend.errors import BadRequest
from perpend.evals.problems import Problem
from perpend.evals.runs.grading import grade
from perpend.types import Candidate, Message, VerifierSpec
from perpend.verifiers import make_verifier


@pytest.mark.parametrize("gold", [None, "none of them"])
async def test_a_gold_that_cant_be_read_fails_its_own_problem(gold: str | None) -> None:
    problem = Problem(id="p-7", messages=(Message("user", "A or B?"),), verifier=VerifierSpec("choice", gold))
    verdict = await grade(make_verifier, problem, Candidate(answer="A"))
    assert not verdict.passed
    assert "p-7" in verdict.feedback


async def test_a_verifier_that_is_none_ends_the_run() -> None:
    problem = Problem(id="p", messages=(), verifier=VerifierSpec("choise", "A"))
    with pytest.raises(BadRequest, match="did you mean 'choice'"):
        await grade(make_verifier, problem, Candidate(answer="A"))
