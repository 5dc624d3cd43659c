"""Votes: answers that count as one are a group; which group leads, and whether votes to come would change that.

Early stopping goes by a prediction of the vote that it replaces. Adaptive-Consistency (Aggarwal et al.,
arXiv:2305.11860) asks whether the leader is the model's usual answer; here it's asked whether it would also win with
all votes in, and the strongest rival is given every vote that isn't for the leader.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import comb

from perpend.types import Candidate

Same = Callable[[str, str], Awaitable[bool]]


@dataclass(slots=True)
class Group:
    """Candidates whose answers count as one: each is the same as the first one's."""

    members: list[Candidate]
    weight: float


class Poll:
    """Candidates in groups, in the order in which they were first seen."""

    def __init__(self, same: Same) -> None:
        self.groups: list[Group] = []
        self._same = same

    async def add(self, candidate: Candidate, weight: float = 1.0) -> None:
        for group in self.groups:
            if await self._same(group.members[0].answer, candidate.answer):
                group.members.append(candidate)
                group.weight += weight
                return
        self.groups.append(Group([candidate], weight))

    @property
    def leader(self) -> Group:
        """Most weight, then most members, then first seen. Raises ValueError where nobody has voted."""
        return max(self.groups, key=lambda group: (group.weight, len(group.members)))

    def share(self, group: Group) -> float:
        """Of all weight, from 0 to 1."""
        total = sum(other.weight for other in self.groups)
        return group.weight / total if total else 0.0


def risk(votes: Sequence[int], to_come: int) -> float:
    """The probability that `to_come` more votes elect another than now leads; 0.0 exactly where they can't.

    `votes`: of each group, in the order in which they were first seen, which also decides ties. Each vote to come is
    the leader's with one probability, whose prior is uniform: a beta-binomial prediction. Raises ValueError for none.
    """
    lead = max(votes)
    first = votes.index(lead)
    others = sum(votes) - lead
    needed = min(
        _needed(lead, of_rival, to_come, wins_ties=number < first)
        for number, of_rival in enumerate([*votes, 0])
        if number != first
    )
    ways = sum(
        comb(others + lost, lost) * comb(lead + to_come - lost, to_come - lost)
        for lost in range(needed, to_come + 1)
    )
    return ways / comb(lead + others + 1 + to_come, to_come)


def _needed(lead: int, rival: int, to_come: int, *, wins_ties: bool) -> int:
    """Of the votes to come, how many make a rival win if the others go to the leader."""
    behind = lead + to_come - rival
    return (behind + 1) // 2 if wins_ties else behind // 2 + 1


def out_of_reach(weights: Sequence[float], to_come: int) -> bool:
    """No votes to come, of weights from 0 to 1, make another lead or draw level."""
    first, second = (*sorted(weights, reverse=True), 0.0, 0.0)[:2]
    return first - second > to_come
