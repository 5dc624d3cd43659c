"""What holds for every registered verifier."""

import pytest

from perpend.errors import BadRequest
from perpend.types import Candidate
from perpend.verifiers import Task, verifiers

GOLDS = {"choice": "B", "regex": "B+", "schema": '{"type": "number"}'}
RIGHT = {"schema": "3", "regex": "BB"}


@pytest.mark.parametrize("name", verifiers.names())
class TestVerifier:
    async def test_verdicts(self, name: str) -> None:
        verifier = verifiers.get(name)()
        try:
            task = Task(gold=GOLDS.get(name, "7"))
            right = await verifier.verify(task, Candidate(answer=RIGHT.get(name, task.gold or "")))
            assert (right.passed, right.score, right.feedback) == (True, 1.0, "")
            for wrong in ("", "8, I say", "\ud800", "x" * 100_000):
                verdict = await verifier.verify(task, Candidate(answer=wrong))
                assert (verdict.passed, verdict.score) == (False, 0.0)
                assert verdict.feedback
                assert task.right not in verdict.feedback.split(), "what goes back to the model tells no gold"
            assert await verifier.same("8", "8")
            assert not await verifier.same("8", "B")
        finally:
            await verifier.aclose()

    async def test_a_task_without_gold_is_refused(self, name: str) -> None:
        verifier = verifiers.get(name)()
        with pytest.raises(BadRequest, match="right answer"):
            await verifier.verify(Task(), Candidate(answer="7"))
        await verifier.aclose()
