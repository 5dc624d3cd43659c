"""Several answers that are all wanted, out of one budget."""

import fake_clock
from scripted_candidates import ROOM, Try, tries
from spine import Spine, request
from words import MortalWords

from perpend.types import Answer, AnswerDelta, Sampling, StrategySpec, Usage


def sampled(spine: Spine, n: int = 3, **fields: object) -> Answer:
    asked = request(strategy=StrategySpec("samples", {"n": n}), max_thinking_tokens=ROOM, **fields)
    return fake_clock.run(spine.ask(asked))


def test_all_are_kept_and_the_first_is_the_answer() -> None:
    spine = Spine(tries(Try("one", 3), Try("two", 1), Try("three", 2)), family="generic")
    answer = sampled(spine)
    assert (answer.text, answer.chosen) == ("one", 0)
    assert [one.answer for one in answer.candidates] == ["one", "two", "three"]
    assert answer.usage == sum((one.usage for one in answer.candidates), Usage())


def test_the_first_is_shown_while_it_is_written() -> None:
    spine = Spine(tries("one", "two"), family="generic")
    sampled(spine, 2)
    assert [event.text for event in spine.events if isinstance(event, AnswerDelta)] == ["one"]


def test_each_has_a_seed_of_its_own() -> None:
    backend = tries("1", "2", "3")
    sampled(Spine(backend, family="generic"), sampling=Sampling(seed=3))
    assert [call.sampling.seed for call in backend.calls] == [3, 4, 5]


def test_they_share_the_budget() -> None:
    spine = Spine(MortalWords(thought=1000, reply=5, dies=lambda: False), width=1)
    answer = sampled(spine, 4, max_output_tokens=80)
    assert answer.usage.output <= 80
    assert len(answer.candidates) == 4


def test_one_that_says_nothing_isnt_the_answer() -> None:
    answer = sampled(Spine(tries("", "two", ""), family="generic"), 2)
    assert (answer.text, answer.chosen) == ("two", 1)
