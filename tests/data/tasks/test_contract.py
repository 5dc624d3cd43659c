"""Every kind of task: its work leads to what its verifier accepts, its dial turns, its splits never meet."""

import random

import pytest

from perpend.data.error_injection import NO_ERRORS, ErrorInjector
from perpend.data.tasks import draw, fresh, kinds, split_of

EVERY = pytest.mark.parametrize("name", kinds.names())


@EVERY
def test_the_steady_hand_is_right_and_a_slip_shows(name: str) -> None:
    rng = random.Random(name)
    slipped = 0
    for level in kinds.get(name).levels:
        for _ in range(40):
            problem = draw(rng, name, level, "train")
            assert problem.solved_by(f" {problem.gold}\n")
            assert not problem.solved_by("")
            assert not problem.solved_by(problem.gold + "0")
            assert kinds.get(name).work(problem.text, NO_ERRORS).answer == problem.gold
            slipped += not problem.solved_by(
                kinds.get(name).work(problem.text, ErrorInjector(rng, 0.3)).answer
            )
    assert slipped > 40


@EVERY
def test_harder_means_more_work(name: str) -> None:
    kind, rng = kinds.get(name), random.Random(name)

    def lines(level: int) -> int:
        return sum(len(kind.work(kind.make(rng, level), NO_ERRORS).lines) for _ in range(50))

    assert lines(kind.levels[0]) < lines(kind.taught[-1]) < lines(kind.levels[-1])
    assert kind.taught[-1] < kind.levels[-1], "something is left to find out by trying"


@EVERY
def test_a_text_is_for_one_split_for_ever(name: str) -> None:
    test, train = fresh(1, name, 200), fresh(1, name, 200, "train")
    assert {split_of(problem.text) for problem in test} == {"test"}
    assert {split_of(problem.text) for problem in train} == {"train"}
    assert len({problem.text for problem in test}) == 200
    assert fresh(1, name, 200) == test
    assert fresh(2, name, 200) != test


@EVERY
def test_a_person_can_read_it(name: str) -> None:
    for problem in fresh(1, name, 100):
        assert problem.text.isascii()
        assert problem.text.isprintable()
        assert len(problem.text) < 80
