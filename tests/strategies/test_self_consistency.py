"""The answer that most candidates come to, as soon as it's clear which that is."""

from typing import Any

import fake_clock
import pytest
from scripted_candidates import ROOM, Try, tries
from spine import Spine, request

from perpend.backends.replay import ReplayBackend
from perpend.errors import BadRequest
from perpend.types import Answer, Candidate, Sampling, StrategySpec, Verdict, VerifierSpec
from perpend.verifiers import Task, Verifier


def elected(backend: ReplayBackend, verifier: Verifier | None = None, **options: Any) -> Answer:
    spec = StrategySpec("self_consistency", {"n": len(options.pop("of", "")) or 3, **options})
    checks = None if verifier is None else VerifierSpec("marks")
    asked = request(max_thinking_tokens=ROOM, strategy=spec, verifier=checks, sampling=Sampling(seed=3))
    return fake_clock.run(Spine(backend, family="generic", verifier=verifier).ask(asked))


def test_the_majority_wins_and_answers_that_are_equal_vote_together() -> None:
    answer = elected(tries("The answer is 7.", "8", r"So \boxed{7.0}"))
    assert answer.text == "The answer is 7."
    assert [one.score for one in answer.candidates] == pytest.approx([2 / 3, 1 / 3, 2 / 3])


def test_ties_go_to_the_answer_that_was_seen_first() -> None:
    assert elected(tries(Try("1", 3), Try("2", 1), Try("3", 2))).text == "2"


def test_each_candidate_has_a_seed_of_its_own() -> None:
    backend = tries("1", "2", "3")
    elected(backend, temperature=0.9)
    assert [(call.sampling.seed, call.sampling.temperature) for call in backend.calls] == [
        (3, 0.9),
        (4, 0.9),
        (5, 0.9),
    ]


def test_it_ends_when_no_other_answer_can_win() -> None:
    answer = elected(tries(*(Try("7", n) for n in range(5))), n=5, confidence=1.0)
    assert answer.elapsed_s == pytest.approx(2)  # three of five
    assert [one.stop_reason for one in answer.candidates] == ["stop"] * 3 + ["cancelled"] * 2
    assert [one.score for one in answer.candidates] == [1, 1, 1, None, None]
    assert (answer.truncated, answer.stop_reason) == (False, "stop")


@pytest.mark.parametrize(("confidence", "votes"), [(0.9, 2), (0.95, 2), (0.99, 3), (1.0, 4)])
def test_the_surer_it_has_to_be_the_more_votes_it_waits_for(confidence: float, votes: int) -> None:
    answer = elected(tries(*(Try("7", n) for n in range(8))), n=8, confidence=confidence)
    assert answer.elapsed_s == pytest.approx(votes - 1)


def test_what_is_cut_or_says_nothing_has_no_vote() -> None:
    answer = elected(tries(Try("9", end="length"), Try("9", end="length"), "7", ""), n=4)
    assert answer.text == "7"
    assert [one.score for one in answer.candidates] == [None, None, 1, None]


def test_unless_nothing_else_has() -> None:
    answer = elected(tries(Try("9", end="length"), Try("9", end="length"), Try("7", end="length")))
    assert (answer.text, answer.truncated) == ("9", True)
    assert [one.score for one in answer.candidates] == pytest.approx([2 / 3, 2 / 3, 1 / 3])


def test_a_server_that_dies_loses_a_vote_and_no_more() -> None:
    answer = elected(tries(Try("8"), Try("", 1, end="dies"), Try("7", 2), Try("7", 3), Try("", 4)), n=4)
    assert answer.text == "7"


class Marks(Verifier):
    """An answer's mark stands in brackets."""

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        mark = float(candidate.answer.partition("(")[2].rstrip(")"))
        return Verdict(mark, mark > 0.5)

    async def same(self, first: str, second: str) -> bool:
        return first.partition("(")[0] == second.partition("(")[0]


def test_votes_may_weigh_what_the_verifier_says() -> None:
    backend = tries("7 (0.25)", "8 (0.75)", "7 (0.125)")
    assert elected(backend, Marks(), weighted="score").text == "8 (0.75)"


def test_the_best_of_the_winners_speaks_for_them() -> None:
    answer = elected(tries("7 (0.5)", "8 (0.5)", "7 (0.75)"), Marks(), weighted="score")
    assert answer.text == "7 (0.75)"
    assert answer.candidates[2].verdict == Verdict(0.75, True)
    assert answer.candidates[2].score == pytest.approx(1.25 / 1.75)


def test_weighted_votes_end_when_no_other_can_win() -> None:
    marks = (Try("7 (0.9)", 0), Try("8 (0.1)", 1), Try("7 (0.8)", 2), Try("7 (1)", 3), Try("7 (1)", 4))
    answer = elected(tries(*marks), Marks(), weighted="score", n=5)
    assert answer.elapsed_s == pytest.approx(3)  # 2.7 against 0.1, and one to come


def test_votes_without_a_verifier_have_no_weights() -> None:
    with pytest.raises(BadRequest, match="needs a verifier"):
        elected(tries(), weighted="score")


def test_a_cut_gives_the_leader_so_far() -> None:
    spec = StrategySpec("self_consistency", {"n": 4, "confidence": 1.0})
    backend = tries(Try("8", 1), Try("7", 2), Try("7", 3), Try("", 60), Try("8", thinks=0))
    asked = request(max_thinking_tokens=ROOM, deadline_ms=10_000, strategy=spec)
    answer = fake_clock.run(Spine(backend, family="generic").ask(asked))
    assert (answer.text, answer.truncated, answer.stop_reason) == ("7", True, "deadline")
    assert answer.elapsed_s < 10
