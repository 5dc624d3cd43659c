"""A question beside the candidates: answered, weighed, and paid by the request that it's asked for."""

import math
from collections.abc import Awaitable, Callable

import pytest
from spine import PRICED, Spine, request

from perpend.backends.replay import ReplayBackend
from perpend.solve.asking import shares
from perpend.strategies import Session
from perpend.types import (
    Answer,
    AnswerDelta,
    CallEnded,
    Candidate,
    Message,
    Request,
    Usage,
    Verdict,
    VerifierSpec,
)
from perpend.verifiers import Task, Verifier

Play = Callable[[Spine, Request, Callable[[Session], Awaitable[Candidate]]], Awaitable[Answer]]


class Doubtful(Verifier):
    """As sure as the model is."""

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        assert await task.judge.ask([Message("user", "and?")], max_tokens=4) == "well"
        sure = await task.judge.weigh([Message("user", "right?")], ("Yes", "No"))
        return Verdict(sure["Yes"], sure["Yes"] > 0.5)


async def checked(session: Session) -> Candidate:
    return await session.verify(await session.sample())


async def test_what_is_asked_beside_a_candidate_is_in_the_same_ledger(play: Play) -> None:
    likely = {"Yes": math.log(0.6), "No": math.log(0.2), "Maybe": math.log(0.2)}
    backend = ReplayBackend(
        [
            [[AnswerDelta("four", 1)], [CallEnded("stop", Usage(10, 0, 0, 1))]],
            [[AnswerDelta("well", 1)], [CallEnded("stop", Usage(5, 0, 0, 1))]],
            [[AnswerDelta("Yes", 1)], [CallEnded("stop", Usage(7, 0, 0, 1), weighed=likely)]],
        ]
    )
    spine = Spine(backend, price=PRICED, verifier=Doubtful())
    answer = await play(spine, request(effort="none", verifier=VerifierSpec("doubtful")), checked)
    assert answer.candidates[0].score == pytest.approx(0.75)
    assert answer.usage == Usage(22, 0, 0, 3)
    assert answer.cost_usd == spine.row.cost_usd == PRICED.cost(answer.usage)
    assert answer.candidates[0].usage == Usage(10, 0, 0, 1)
    assert backend.calls[2].weighs
    shown = [event.text for event in spine.events if isinstance(event, AnswerDelta)]
    assert shown == []


@pytest.mark.parametrize(
    ("logprobs", "yes"),
    [
        ({"Yes": -0.1, " yes": -3.0, "No": -9.0}, 1.0),
        ({"Y": math.log(0.3), "N": math.log(0.1)}, 0.75),
        ({"Yes, it is": 0.0}, 1.0),
        ({"": 0.0, "perhaps": 0.0}, 0.5),
    ],
)
def test_a_choices_share_is_that_of_the_tokens_that_begin_it(logprobs: dict[str, float], yes: float) -> None:
    found = shares(("Yes", "No"), logprobs)
    assert found["Yes"] == pytest.approx(yes, abs=1e-3)
    assert sum(found.values()) == pytest.approx(1)
