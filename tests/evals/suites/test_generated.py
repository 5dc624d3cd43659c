"""The tiny reasoner's own tasks as a suite."""

from pathlib import Path

import pytest

from perpend.data.tasks import kinds, split_of
from perpend.errors import NotFound
from perpend.evals.suites.catalogue import load


def test_every_kind_is_in_turn_and_no_text_was_trained_on(tmp_path: Path) -> None:
    problems = load("tiny", tmp_path, limit=10, seed=3)
    assert [one.category for one in problems] == [*kinds.names(), *kinds.names()[:3]]
    assert {split_of(one.messages[0].text) for one in problems} == {"test"}
    assert len({one.id for one in problems}) == 10


def test_one_kind_alone_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    problems = load("tiny/search", tmp_path, limit=5, seed=3)
    assert {one.category for one in problems} == {"search"}
    assert problems == load("tiny/search", tmp_path, limit=5, seed=3)
    assert problems != load("tiny/search", tmp_path, limit=5, seed=4)


def test_another_kind_is_met_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        load("tiny/serach", tmp_path)
    assert "search" in str(caught.value.hint)
