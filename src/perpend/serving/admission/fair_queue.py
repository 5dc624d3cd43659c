"""A fair queue: chooses between flows by their shares, and within a flow the request that is due first.

Between flows it uses deficit round-robin (Shreedhar & Varghese, 1995) on the requests' expected tokens, so that a
tenant with few long requests gets as much as one with many short ones. Each service class has a share, divided equally
among its waiting tenants.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from perpend.types import ServiceClass


class Flow(NamedTuple):
    """The requests of one tenant in one service class."""

    service_class: ServiceClass
    tenant: str


class Queued(Protocol):
    """A waiting item, which doesn't change while it waits."""

    @property
    def flow(self) -> Flow: ...

    @property
    def cost(self) -> float:
        """Expected tokens, more than 0."""
        ...

    @property
    def due(self) -> float:
        """When it should start, in the event loop's seconds."""
        ...


Q = TypeVar("Q", bound=Queued)


class _Line(Generic[Q]):
    """The items of one flow, the earliest due first, and the tokens that it may still take in this round."""

    __slots__ = ("deficit", "items")

    def __init__(self) -> None:
        self.items: list[tuple[float, int, Q]] = []
        self.deficit = 0.0


class FairQueue(Generic[Q]):
    """A queue in which no flow starves: a waiting flow gets its share of the tokens, and what others leave."""

    def __init__(self, shares: Mapping[ServiceClass, float]) -> None:
        """`shares`: relative weights of the classes, each more than 0."""
        self._shares = shares
        self._lines: dict[Flow, _Line[Q]] = {}
        self._tenants: dict[ServiceClass, int] = dict.fromkeys(shares, 0)
        self._numbers: dict[Q, int] = {}
        """Numbers in the order of arrival."""
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Q]:
        return iter(self._numbers)

    def add(self, item: Q) -> None:
        line = self._lines.get(item.flow)
        if line is None:
            line = self._lines[item.flow] = _Line()
            self._tenants[item.flow.service_class] += 1
        self._last_number += 1
        self._numbers[item] = self._last_number
        insort(line.items, (item.due, self._last_number, item))

    def remove(self, item: Q) -> bool:
        """Removes an item; returns whether it was still waiting."""
        number = self._numbers.pop(item, None)
        if number is None:
            return False
        line = self._lines[item.flow]
        del line.items[bisect_left(line.items, (item.due, number))]
        if not line.items:  # an empty flow keeps no credit
            del self._lines[item.flow]
            self._tenants[item.flow.service_class] -= 1
        return True

    def pop(self) -> Q:
        """Removes and returns the next item. Raises IndexError where the queue is empty."""
        if not self._lines:
            raise IndexError("nobody waits")
        rounds, _, first = min((self._rounds(flow), n, flow) for n, flow in enumerate(self._lines))
        if rounds:
            for flow, line in self._lines.items():
                line.deficit += rounds * self._share(flow)
        line = self._lines[first]
        item = line.items[0][2]
        line.deficit -= item.cost
        self.remove(item)
        return item

    def counts(self) -> dict[Flow, int]:
        """Returns the number of waiting items of each flow."""
        return {flow: len(line.items) for flow, line in self._lines.items()}

    def part_of(self, flow: Flow) -> float:
        """Returns the fraction of the tokens that a flow gets, or would get if it waited, from 0 to 1."""
        tenants = self._tenants.copy()
        tenants[flow.service_class] += flow not in self._lines
        shares = sum(self._shares[name] for name, count in tenants.items() if count)
        return self._shares[flow.service_class] / tenants[flow.service_class] / shares

    def newest(self, flow: Flow) -> Q:
        """Returns the item of a flow that arrived last. Raises KeyError where the flow has none."""
        return max(self._lines[flow].items, key=lambda entry: entry[1])[2]

    def _rounds(self, flow: Flow) -> float:
        """Returns the rounds until the flow's deficit covers its next item."""
        line = self._lines[flow]
        return max(0.0, line.items[0][2].cost - line.deficit) / self._share(flow)

    def _share(self, flow: Flow) -> float:
        return self._shares[flow.service_class] / self._tenants[flow.service_class]
