"""A question beside the candidates: answered, weighed, and paid by the request that it's asked for."""

import math
from collections.abc import Awaitable, Callable

import pytest
from spine import PRICED, Spine, request

from perpend.backends.contract import CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.errors import ContextTooLong, Rejected
from perpend.solve.auxiliary_call import settled, shares
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
        assert await task.required_model.ask([Message("user", "and?")], max_tokens=4) == "well"
        sure = await task.required_model.probabilities([Message("user", "right?")], ("Yes", "No"))
        return Verdict(sure["Yes"], sure["Yes"] > 0.5)


async def checked(session: Session) -> Candidate:
    return await session.verifier.verify(await session.sample())


async def test_what_is_asked_beside_a_candidate_is_in_the_same_ledger(play: Play) -> None:
    likely = {"Yes": math.log(0.6), "No": math.log(0.2), "Maybe": math.log(0.2)}
    backend = ReplayBackend(
        [
            [[AnswerDelta("four", 1)], [CallEnded("stop", Usage(10, 0, 0, 1))]],
            [[AnswerDelta("well", 1)], [CallEnded("stop", Usage(5, 0, 0, 1))]],
            [[AnswerDelta("Yes", 1)], [CallEnded("stop", Usage(7, 0, 0, 1), first_logprobs=likely)]],
        ]
    )
    spine = Spine(backend, price=PRICED, verifier=Doubtful())
    answer = await play(spine, request(effort="none", verifier=VerifierSpec("doubtful")), checked)
    assert answer.candidates[0].score == pytest.approx(0.75)
    assert answer.usage == Usage(22, 0, 0, 3)
    assert answer.cost_usd == spine.row.cost_usd == PRICED.cost(answer.usage)
    assert answer.candidates[0].usage == Usage(10, 0, 0, 1)
    assert backend.calls[2].first_logprobs
    shown = [event.text for event in spine.events if isinstance(event, AnswerDelta)]
    assert shown == []


@pytest.mark.parametrize(
    ("logprobs", "yes"),
    [
        ({"Yes": -0.1, " yes": -3.0, "No": -9.0}, 1.0),
        ({"Y": math.log(0.3), "N": math.log(0.1)}, 0.75),
        ({"Yes, it is": 0.0}, 1.0),
        ({"": 0.0, "perhaps": 0.0}, 0.5),
        ({"Yesterday": -0.1, "No": -2.0}, 0.0),
    ],
)
def test_a_choices_share_is_that_of_the_tokens_that_begin_it(logprobs: dict[str, float], yes: float) -> None:
    found = shares(("Yes", "No"), logprobs)
    assert found["Yes"] == pytest.approx(yes, abs=1e-3)
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("said", "choice"),
    [("Yes.", "Yes"), ("I'd say: yes", "Yes"), ("yes or no", "yes or no"), ("Nothing", "Nothing")],
)
def test_a_choice_is_settled_where_it_is_named_alone(said: str, choice: str) -> None:
    assert settled(("Yes", "No"), said) == choice


def test_an_article_is_no_choice() -> None:
    assert settled(("A", "B"), "a better one is B") == "B"


class Weighing(Verifier):
    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        scores = [
            await task.required_model.probabilities([Message("user", "right?")], ("Yes", "No"), begun="It is")
            for _ in "12"
        ]
        return Verdict(scores[-1]["Yes"], passed=True)


ANSWER: list[list[CallEvent]] = [[AnswerDelta("four", 1)], [CallEnded("stop", Usage(10, 0, 0, 1))]]
SAYS_YES: list[list[CallEvent]] = [[AnswerDelta("so yes", 2)], [CallEnded("stop", Usage(5, 0, 0, 2))]]
REFUSED = [Rejected("top_logprobs must be at most 5", upstream_status=400, billed=False)]


async def test_a_server_that_weighs_fewer_is_asked_for_fewer_from_then_on(play: Play) -> None:
    first_logprobs = [CallEnded("stop", Usage(5, 0, 0, 1), first_logprobs={"Yes": 0.0})]
    backend = ReplayBackend([ANSWER, REFUSED, [first_logprobs], [first_logprobs]])
    spine = Spine(backend, verifier=Weighing())
    answer = await play(spine, request(effort="none", verifier=VerifierSpec("weighing")), checked)
    assert answer.candidates[0].score == 1.0
    assert [call.first_logprobs for call in backend.calls] == [0, 20, 5, 5]


async def test_a_server_that_weighs_nothing_is_asked_for_its_word(play: Play) -> None:
    backend = ReplayBackend([ANSWER, REFUSED, REFUSED, SAYS_YES, SAYS_YES])
    spine = Spine(backend, price=PRICED, verifier=Weighing())
    answer = await play(spine, request(effort="none", verifier=VerifierSpec("weighing")), checked)
    assert answer.candidates[0].score == 1.0
    assert [call.first_logprobs for call in backend.calls] == [0, 20, 5, 0, 0]
    assert [message.text for message in backend.calls[-1].messages] == ["right?", "It is"]
    assert answer.usage == Usage(20, 0, 0, 5), "a refused call costs nothing"


async def test_a_prompt_that_is_too_long_is_no_reason_to_ask_again(play: Play) -> None:
    too_long = ContextTooLong("too long", upstream_status=400, billed=False)
    backend = ReplayBackend([ANSWER, [too_long]])
    spine = Spine(backend, verifier=Weighing())
    answer = await play(spine, request(effort="none", verifier=VerifierSpec("weighing")), checked)
    assert answer.candidates[0].verdict is None
    assert len(backend.calls) == 2


async def test_who_cannot_but_think_is_asked_with_room_for_it(play: Play) -> None:
    backend = ReplayBackend([ANSWER, SAYS_YES, SAYS_YES])
    spine = Spine(backend, family="o1", verifier=Weighing())
    asked = request(max_thinking_tokens=100, verifier=VerifierSpec("weighing"))
    answer = await play(spine, asked, checked)
    assert answer.candidates[0].score == 1.0
    assert [call.first_logprobs for call in backend.calls] == [0, 0, 0]
    assert backend.calls[1].thinking_tokens == 100
