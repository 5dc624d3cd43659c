"""Steps are weighed one by one, each after those before it."""

import pytest
from scripted_model import ScriptedModel

from perpend.types import Candidate
from perpend.verifiers import Task
from perpend.verifiers.process_reward import Aggregate, ProcessReward, aggregate_rewards

SOLUTION = "First 17 * 23 = 381.\n\nThen 381 + 9 = 390.\n\nThe answer is 390."


def suspicious(prompt: str) -> str:
    """Finds a step wrong where it ends in 381."""
    last = prompt.rpartition("<step-")[2].split("\n")[1]
    return "No" if last.endswith("381.") else "Yes"


async def test_the_first_bad_step_is_named() -> None:
    model = ScriptedModel(suspicious, sure=0.9)
    verdict = await ProcessReward().verify(Task(question="?", model=model), Candidate(answer=SOLUTION))
    assert verdict.score == pytest.approx(0.1)
    assert not verdict.passed
    assert verdict.feedback == "step 1 is probably wrong: First 17 * 23 = 381."
    assert len(model.asked) == 3


async def test_prompts_of_one_solution_begin_alike() -> None:
    model = ScriptedModel(suspicious)
    await ProcessReward().verify(Task(question="How many?", model=model), Candidate(answer=SOLUTION))
    first, second, third = (messages[-1].text.rpartition("\n\n")[0] for messages in model.asked)
    assert second.startswith(first)
    assert third.startswith(second)


async def test_thinking_and_answer_are_one_solution() -> None:
    model = ScriptedModel(suspicious)
    candidate = Candidate(thinking="First 17 * 23 = 391.", answer="So it is 391, I say.")
    assert (await ProcessReward().verify(Task(model=model), candidate)).passed
    assert len(model.asked) == 2


@pytest.mark.parametrize(
    ("how", "score"), [("min", 0.1), ("product", 0.081), ("last", 0.9), ("mean", (0.1 + 0.9 + 0.9) / 3)]
)
async def test_aggregates(how: Aggregate, score: float) -> None:
    verifier = ProcessReward(aggregate=how)
    task = Task(model=ScriptedModel(suspicious, sure=0.9))
    verdict = await verifier.verify(task, Candidate(answer=SOLUTION))
    assert verdict.score == pytest.approx(score)
    assert verdict.score == pytest.approx(aggregate_rewards([0.1, 0.9, 0.9], how))
    assert verdict.passed is (verdict.score >= 0.5)


async def test_another_model_may_weigh() -> None:
    model = ScriptedModel(suspicious)
    await ProcessReward(model="strong").verify(Task(model=model), Candidate(answer=SOLUTION))
    assert model.models == ["strong"]


async def test_nothing_has_no_steps() -> None:
    verdict = await ProcessReward().verify(Task(model=ScriptedModel(suspicious)), Candidate(answer=" "))
    assert (verdict.score, verdict.feedback) == (0.0, "there are no steps to check")
