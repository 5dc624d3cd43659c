"""Who leads, and whether votes to come would change that: checked against counting every way in which they may fall."""

import asyncio
import itertools
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.strategies.votes import Poll, out_of_reach, risk
from perpend.types import Candidate

COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def winner(votes: list[int]) -> int:
    """Most votes; of equal ones the first seen."""
    return max(range(len(votes)), key=lambda group: (votes[group], -group))


def outcomes(votes: list[int], to_come: int) -> set[int]:
    """Every group that may win, with new ones among them."""
    groups = len(votes) + to_come
    ways = itertools.combinations_with_replacement(range(groups), to_come)
    return {
        winner([*(n + way.count(group) for group, n in enumerate([*votes, *[0] * to_come]))]) for way in ways
    }


@given(COUNTS, st.integers(0, 4))
def test_there_is_no_risk_exactly_where_no_votes_to_come_can_change_the_winner(
    votes: list[int], to_come: int
) -> None:
    assert (risk(votes, to_come) == 0) == (outcomes(votes, to_come) == {winner(votes)})


@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 6))
def test_between_two_groups_it_is_what_a_uniform_prior_predicts(lead: int, rival: int, to_come: int) -> None:
    if rival > lead:
        lead, rival = rival, lead
    votes = [lead, rival] if rival else [lead]
    # p^a (1-p)^b integrates to a! b! / (a+b+1)!: by sums over how many of the votes to come are the rival's
    whole = Fraction(1, (lead + rival + 1) * comb(lead + rival, rival))
    lost = Fraction(0)
    for to_rival in range(to_come + 1):
        if rival + to_rival > lead + to_come - to_rival:
            total, against = lead + rival + to_come, rival + to_rival
            lost += comb(to_come, to_rival) * Fraction(1, (total + 1) * comb(total, against))
    assert risk(votes, to_come) == pytest.approx(float(lost / whole))


@given(COUNTS, st.integers(0, 8))
def test_one_more_vote_for_the_leader_never_raises_the_risk(votes: list[int], to_come: int) -> None:
    before = risk(votes, to_come + 1)
    assert 0 <= before <= 1
    more = [n + (group == winner(votes)) for group, n in enumerate(votes)]
    assert risk(more, to_come) <= before


def test_the_risk_of_a_few_votes_of_eight() -> None:
    assert risk([2], 6) == pytest.approx(0.0476, abs=1e-4)
    assert risk([3], 5) == pytest.approx(0.0079, abs=1e-4)
    assert risk([4], 4) == 0
    assert risk([1, 1], 6) > 0.3


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=4), st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)))
)
def test_out_of_reach_is_out_of_reach(weights: list[float], more: list[tuple[int, float]]) -> None:
    if not out_of_reach(weights, len(more)):
        return
    after = [*weights, *[0.0] * 5]
    for group, weight in more:
        after[group] += weight
    best = weights.index(max(weights))
    assert all(after[best] > other for group, other in enumerate(after) if group != best)


async def as_numbers(first: str, second: str) -> bool:
    return float(first) == float(second)


def polled(*votes: tuple[str, float]) -> Poll:
    async def counted() -> Poll:
        poll = Poll(as_numbers)
        for number, (answer, weight) in enumerate(votes):
            await poll.add(Candidate(answer=answer, index=number), weight)
        return poll

    return asyncio.run(counted())


def test_answers_that_count_as_one_vote_together() -> None:
    poll = polled(("0.5", 1), ("1", 1), (".50", 1))
    assert [[c.index for c in group.members] for group in poll.groups] == [[0, 2], [1]]
    assert poll.leader is poll.groups[0]
    assert poll.share(poll.leader) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("votes", "first"),
    [
        ([("1", 1.0), ("2", 1.0)], "1"),  # the first seen
        ([("1", 0.2), ("2", 0.9), ("1", 0.3)], "2"),  # weight before numbers
        ([("1", 0.0), ("2", 0.0), ("2", 0.0)], "2"),  # numbers where no weight tells
    ],
)
def test_ties(votes: list[tuple[str, float]], first: str) -> None:
    assert polled(*votes).leader.members[0].answer == first


def test_the_share_of_no_weight_is_none() -> None:
    poll = polled(("1", 0.0))
    assert poll.share(poll.leader) == 0
    with pytest.raises(ValueError, match="empty"):
        _ = polled().leader
