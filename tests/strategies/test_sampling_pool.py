"""How many candidates there are, and what each may think: whole thoughts before many thoughts."""

from typing import Any

import fake_clock
import pytest
from spine import Spine, request
from words import WordBackend

from perpend.families.family import family_named
from perpend.strategies import strategy_spec
from perpend.types import Answer, Candidate, Verdict, VerifierSpec
from perpend.verifiers import Task, Verifier

WORD_S = 1.0
REPLY = 2
MEDIUM = family_named("smollm2").effort["medium"]
NEVER = VerifierSpec("exact", "never said")
JUDGED = "best_of_n, judged"

ROOM = {"self_consistency": 1.5, "best_of_n": 1.0, JUDGED: 1.5}
"""For each, times what the others took: a vote can't use a cut thought, a judge may like it, a program tries it."""

pytestmark = pytest.mark.parametrize("name", ROOM)


class Judge(Verifier):
    needs_model = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        return Verdict(0.5, False)


def drawn(name: str, *, thought: int, **limits: Any) -> Answer:
    """Eight candidates at most, of which none passes and all say the same; half of them settle a vote."""
    sure = {"confidence": 1.0} if name == "self_consistency" else {}
    spec = strategy_spec({"name": name.partition(",")[0], "n": 8, **sure})
    judge = Judge() if name == JUDGED else None
    spine = Spine(WordBackend(thought=thought, reply=REPLY, delay_s=WORD_S), verifier=judge)
    return fake_clock.run(spine.ask(request(strategy=spec, verifier=NEVER, **limits)))


def thoughts(answer: Answer) -> list[int]:
    return [one.usage.thinking for one in answer.candidates if one.stop_reason != "cancelled"]


def test_where_each_part_has_a_medium_efforts_room_all_begin_at_once(name: str) -> None:
    answer = drawn(name, thought=40, max_thinking_tokens=8 * MEDIUM)
    assert answer.elapsed_s == pytest.approx(40 + REPLY)


def test_where_it_has_not_the_first_shows_how_much_a_thought_takes(name: str) -> None:
    answer = drawn(name, thought=40, max_thinking_tokens=8 * MEDIUM - 8)
    assert answer.elapsed_s == pytest.approx(2 * (40 + REPLY)), "one, then the others side by side"
    assert set(thoughts(answer)) == {40}


def test_then_there_are_as_many_as_have_room(name: str) -> None:
    answer = drawn(name, thought=60, max_thinking_tokens=60 + 2 * 60 + int(ROOM[name] * 60) - 1)
    assert thoughts(answer) == [60, 60, 60]
    assert not answer.truncated
    assert "3 of 8" in answer.plan.reason


def test_what_those_leave_is_for_one_more(name: str) -> None:
    answer = drawn(name, thought=60, max_thinking_tokens=60 + 2 * 60 + int(ROOM[name] * 60))
    assert thoughts(answer) == [60, 60, 60, 60]


def test_a_thought_that_takes_nearly_all_stays_the_only_one(name: str) -> None:
    assert thoughts(drawn(name, thought=90, max_thinking_tokens=100)) == [90]


def test_one_that_is_cut_too(name: str) -> None:
    answer = drawn(name, thought=500, max_thinking_tokens=100)
    assert thoughts(answer) == [100]
    assert answer.text


def test_the_answers_need_room_as_well(name: str) -> None:
    answer = drawn(name, thought=60, max_thinking_tokens=4000, max_output_tokens=62 + 92 + 31)
    assert thoughts(answer) == [60, 60]


def test_with_nothing_to_think_all_begin_at_once(name: str) -> None:
    answer = drawn(name, thought=40, max_thinking_tokens=0)
    assert answer.elapsed_s == pytest.approx(REPLY)
