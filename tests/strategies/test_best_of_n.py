"""The candidate that the verifier likes best; one that is certainly right ends the search."""

from typing import Any

import fake_clock
import pytest
from scripted_candidates import ROOM, Try, tries
from spine import Spine, request
from words import WordBackend

from perpend.backends.replay import ReplayBackend
from perpend.errors import BadRequest
from perpend.strategies import strategy_spec
from perpend.types import Answer, Candidate, Request, Sampling, StrategySpec, Verdict, VerifierSpec
from perpend.verifiers import Task, Verifier

GOLD = VerifierSpec("answer", "7")


def asking(verifier: VerifierSpec | None = GOLD, **options: Any) -> Request:
    spec = strategy_spec({"name": "best_of_n", **options})
    return request(max_thinking_tokens=ROOM, strategy=spec, verifier=verifier, sampling=Sampling(seed=3))


def chosen(backend: ReplayBackend, verifier: Verifier | None = None, **options: Any) -> Answer:
    return fake_clock.run(Spine(backend, family="generic", verifier=verifier).ask(asking(**options)))


def test_the_first_that_passes_ends_it_and_gives_back_what_the_others_would_have_spent() -> None:
    answer = chosen(tries(Try("8", 1), Try("7", 2), Try("9", 3), Try("7", 4)))
    assert answer.text == "7"
    assert answer.elapsed_s == pytest.approx(2)
    assert [one.stop_reason for one in answer.candidates] == ["stop", "stop", "cancelled", "cancelled"]
    assert [one.score for one in answer.candidates] == [0, 1, None, None]
    assert sum(one.usage.thinking for one in answer.candidates) == answer.usage.thinking == 16


class Marks(Verifier):
    """An answer's mark stands in brackets. Half of full marks pass."""

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        mark = float(candidate.answer.partition("(")[2].rstrip(")"))
        return Verdict(mark, mark >= 0.5)

    async def same(self, first: str, second: str) -> bool:
        return first.partition(" ")[0] == second.partition(" ")[0]


def test_a_score_that_can_be_beaten_ends_nothing() -> None:
    answer = chosen(tries(Try("7 (0.6)", 1), Try("8 (0.9)", 2), Try("9 (0.2)", 3)), Marks(), n=3)
    assert (answer.text, answer.elapsed_s) == ("8 (0.9)", pytest.approx(3))


def test_of_equal_scores_the_answer_that_most_gave() -> None:
    answer = chosen(tries("7 (0.6)", "8 (0.6)", "8 (0.1)"), Marks(), n=3)
    assert answer.text == "8 (0.6)"


def test_then_the_first() -> None:
    assert chosen(tries("8", "9", "10", "11")).text == "8"


def test_a_cut_gives_the_best_so_far() -> None:
    late = (Try("", 60), Try("9 (0.2)", thinks=0))
    backend = tries(Try("7 (0.1)", 1), Try("8 (0.4)", 2), Try("9 (0.3)", 3), *late)
    spec = StrategySpec("best_of_n")
    asked = request(max_thinking_tokens=ROOM, deadline_ms=9000, strategy=spec, verifier=VerifierSpec("marks"))
    answer = fake_clock.run(Spine(backend, family="generic", verifier=Marks()).ask(asked))
    assert (answer.text, answer.truncated, answer.stop_reason) == ("8 (0.4)", True, "deadline")


@pytest.mark.parametrize("verifier", [None, VerifierSpec("answer")])
def test_it_asks_for_what_checks_its_candidates(verifier: VerifierSpec | None) -> None:
    backend = tries()
    with pytest.raises(BadRequest):
        fake_clock.run(Spine(backend).ask(asking(verifier)))
    assert not backend.calls


class Taste(Verifier):
    """Looks at two at once, and likes the longer one; keeps what it was shown, and what it had to say of one alone."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []
        self.alone: list[str] = []

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        self.alone.append(candidate.answer)
        return Verdict(0.5, True)

    async def compare(self, task: Task, first: Candidate, second: Candidate) -> float:
        self.shown.append((first.answer, second.answer))
        return 0.8 if len(first.answer) > len(second.answer) else 0.2


def test_pairwise_each_is_compared_with_the_best_so_far() -> None:
    taste = Taste()
    answer = chosen(tries(Try("4", 1), Try("444", 2), Try("44", 3), Try("4444", 4)), taste, pairwise=True)
    assert answer.text == "4444"
    assert taste.shown == [("444", "4"), ("44", "444"), ("4444", "444")]
    assert [one.score for one in answer.candidates] == [None, 0.8, 0.2, 0.8]
    assert taste.alone == ["4444"]  # none of the others is scored alone
    assert answer.verdict == Verdict(0.5, True)


def test_pairwise_the_same_answer_needs_no_comparison() -> None:
    taste = Taste()
    answer = chosen(tries(*(Try("4", after) for after in (1, 2, 3, 4))), taste, pairwise=True)
    assert (answer.text, answer.elapsed_s, taste.shown) == ("4", pytest.approx(4), [])
    assert taste.alone == ["4"]


def test_what_each_candidate_is_made_by_is_a_strategy_too() -> None:
    backend = WordBackend(thought=3, reply=2)
    asked = asking(n=3, of={"name": "budget_forcing", "waits": 1})
    answer = fake_clock.run(Spine(backend).ask(asked))
    assert [one.usage.thinking for one in answer.candidates] == [6, 6, 6]
    assert [one.score for one in answer.candidates] == [0, 0, 0]
    assert answer.plan.strategy == "best_of_n"


def test_candidates_of_candidates_have_seeds_of_their_own() -> None:
    backend = tries(*"123456789")
    inner = {"name": "self_consistency", "n": 3, "confidence": 1.0}
    answer = chosen(backend, n=3, of=inner, temperature=0.5)
    seeds = [call.sampling.seed for call in backend.calls]
    assert len(set(seeds)) == len(answer.candidates) == 9
    assert {call.sampling.temperature for call in backend.calls} == {0.5}
    again = tries(*"123456789")
    chosen(again, n=3, of=inner)
    assert [call.sampling.seed for call in again.calls] == seeds


def test_a_strategy_inside_may_have_a_verifier_of_its_own() -> None:
    inner = {
        "name": "best_of_n",
        "n": 2,
        "verifier": {"name": "exact", "gold": "8"},
        "of": {"name": "single"},
    }
    answer = chosen(tries("x", "8", "y", "9"), n=2, of=inner)
    assert answer.text == "8"
    assert {one.answer: one.score for one in answer.candidates} == {"x": 0, "8": 0, "y": 0, "9": 0}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"of": {"name": "singel"}}, "strategy.of"),
        ({"of": {"name": "budget_forcing", "wait": 1}}, "strategy.of.wait"),
        ({"n": 0}, "strategy.n"),
        ({"of": 3}, "strategy.of.name"),
    ],
)
def test_what_is_wrong_inside_is_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        chosen(tries(), **options)
    assert refused.value.field == field
