"""Who is next: between flows by their shares, and within one the earliest due first.

Between flows it is deficit round-robin (Shreedhar & Varghese, 1995) on the tokens that requests are expected to take,
so that a tenant of few long requests and one of many short ones get as much. A class has a share, of which its tenants
that wait have equal parts.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from perpend.types import ServiceClass


class Flow(NamedTuple):
    service_class: ServiceClass
    tenant: str


class Queued(Protocol):
    """What waits. It doesn't change while it does."""

    @property
    def flow(self) -> Flow: ...

    @property
    def cost(self) -> float:
        """Expected tokens, more than 0."""
        ...

    @property
    def due(self) -> float:
        """When it should begin, in the loop's seconds."""
        ...


Q = TypeVar("Q", bound=Queued)


class _Line(Generic[Q]):
    """What waits in one flow, the earliest due first, and the tokens that it may still take in this round."""

    __slots__ = ("deficit", "items")

    def __init__(self) -> None:
        self.items: list[tuple[float, int, Q]] = []
        self.deficit = 0.0


class FairQueue(Generic[Q]):
    """No flow starves: while it waits it gets its share of the tokens, and whatever others leave."""

    def __init__(self, shares: Mapping[ServiceClass, float]) -> None:
        """`shares`: each more than 0."""
        self._shares = shares
        self._lines: dict[Flow, _Line[Q]] = {}
        self._tenants: dict[ServiceClass, int] = dict.fromkeys(shares, 0)
        self._numbers: dict[Q, int] = {}
        """In the order in which they came."""
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
        """Whether it still waited."""
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
        """The next one. Raises IndexError where nobody waits."""
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
        """How many wait in each flow."""
        return {flow: len(line.items) for flow, line in self._lines.items()}

    def part_of(self, flow: Flow) -> float:
        """The part of the tokens that a flow gets, or would get if it waited too."""
        tenants = self._tenants.copy()
        tenants[flow.service_class] += flow not in self._lines
        shares = sum(self._shares[name] for name, count in tenants.items() if count)
        return self._shares[flow.service_class] / tenants[flow.service_class] / shares

    def newest(self, flow: Flow) -> Q:
        """The one of a flow that came last."""
        return max(self._lines[flow].items, key=lambda entry: entry[1])[2]

    def _rounds(self, flow: Flow) -> float:
        """How many rounds it takes until the flow can pay for what it has next."""
        line = self._lines[flow]
        return max(0.0, line.items[0][2].cost - line.deficit) / self._share(flow)

    def _share(self, flow: Flow) -> float:
        return self._shares[flow.service_class] / self._tenants[flow.service_class]
