"""A tree that is searched by upper confidence bounds (Kocsis & Szepesvári, "Bandit based Monte-Carlo planning", 2006).

Select a leaf, add what follows it, rate that, back the ratings up. Knows nothing of thoughts.
"""

import math
from collections.abc import Iterable
from typing import Generic, TypeVar

S = TypeVar("S")


class Node(Generic[S]):
    """A state, how often what is below it was rated, and the ratings' sum; ratings are from 0 to 1."""

    __slots__ = ("children", "closed", "parent", "state", "total", "visits")

    def __init__(self, state: S, parent: "Node[S] | None" = None) -> None:
        self.state = state
        self.parent = parent
        self.children: list[Node[S]] = []
        self.visits = 0
        self.total = 0.0
        self.closed = False
        """All below it is known: there is nothing to select here."""

    @property
    def mean(self) -> float:
        return self.total / self.visits if self.visits else 0.0

    def bound(self, exploration: float) -> float:
        """The mean of its ratings, and more the less often it was tried beside its siblings."""
        if not self.visits:
            return math.inf
        tried = self.visits if self.parent is None else self.parent.visits
        return self.mean + exploration * math.sqrt(math.log(tried) / self.visits)

    def add(self, states: Iterable[S]) -> list["Node[S]"]:
        """What follows it; where nothing does, it's closed."""
        self.children = [Node(state, self) for state in states]
        if not self.children:
            self.close()
        return self.children

    def back_up(self, rating: float) -> None:
        """Tell it and all above it."""
        node: Node[S] | None = self
        while node is not None:
            node.visits += 1
            node.total += rating
            node = node.parent

    def close(self) -> None:
        """Nothing follows it. What has only closed children is closed too."""
        self.closed = True
        if self.parent is not None and all(child.closed for child in self.parent.children):
            self.parent.close()


def select(root: Node[S], exploration: float) -> Node[S]:
    """The leaf to go on from: down from the root, which isn't closed, along the highest bounds."""
    node = root
    while node.children:
        node = max(
            (child for child in node.children if not child.closed), key=lambda one: one.bound(exploration)
        )
    return node


def most_visited(root: Node[S]) -> Node[S]:
    """The leaf at the end of what the search came to prefer."""
    node = root
    while node.children:
        node = max(node.children, key=lambda one: (one.visits, one.mean))
    return node
