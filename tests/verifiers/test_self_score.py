"""The score is how likely the model says yes."""

import pytest
from scripted_model import ScriptedModel

from perpend.types import Candidate
from perpend.verifiers import Task
from perpend.verifiers.self_score import SelfScore


async def test_the_score_is_the_probability_of_yes() -> None:
    model = ScriptedModel(lambda prompt: "Yes", sure=0.8)
    verdict = await SelfScore().verify(Task(question="2 + 2?", model=model), Candidate(answer="4"))
    assert (verdict.score, verdict.passed) == (pytest.approx(0.8), True)
    doubtful = await SelfScore(threshold=0.9).verify(Task(model=model), Candidate(answer="4"))
    assert not doubtful.passed
    assert doubtful.feedback


async def test_a_thought_without_an_answer_is_weighed_as_such() -> None:
    model = ScriptedModel(lambda prompt: "Yes" if "so far" in prompt and "<reasoning" in prompt else "No")
    assert (await SelfScore().verify(Task(model=model), Candidate(answer="", thinking="2 + 2"))).passed
