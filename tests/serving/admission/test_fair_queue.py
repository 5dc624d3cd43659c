"""Turns are fair between classes and tenants on expected tokens, earliest due first inside a tenant, and nobody
starves.
"""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.serving.admission.fair_queue import FairQueue, Flow
from perpend.types import SERVICE_CLASSES, ServiceClass

SHARES: dict[ServiceClass, float] = {"interactive": 0.6, "standard": 0.3, "batch": 0.1}
MOST = 500


class Item:
    def __init__(self, flow: Flow, cost: float, due: float) -> None:
        self.flow = flow
        self.cost = cost
        self.due = due


flows = st.builds(Flow, st.sampled_from(SERVICE_CLASSES), st.sampled_from("abc"))
items = st.builds(Item, flows, st.floats(1, MOST), st.floats(0, 100))


def filled(waiting: list[Item]) -> FairQueue[Item]:
    queue: FairQueue[Item] = FairQueue(SHARES)
    for item in waiting:
        queue.add(item)
    return queue


@given(st.lists(items), st.data())
def test_all_that_waits_and_isnt_removed_has_its_turn_once(waiting: list[Item], data: st.DataObject) -> None:
    queue = filled(waiting)
    removed = data.draw(st.lists(st.sampled_from(waiting), unique_by=id)) if waiting else []
    assert all(queue.remove(item) for item in removed)
    assert not any(queue.remove(item) for item in removed)
    left = [item for item in waiting if item not in removed]
    assert len(queue) == sum(queue.counts().values()) == len(left)
    assert sorted(map(id, (queue.pop() for _ in left))) == sorted(map(id, left))
    with pytest.raises(IndexError):
        queue.pop()


@given(st.lists(items))
def test_inside_a_tenant_the_earliest_due_goes_first(waiting: list[Item]) -> None:
    queue = filled(waiting)
    seen: dict[Flow, float] = {}
    for _ in waiting:
        item = queue.pop()
        assert seen.get(item.flow, 0.0) <= item.due
        seen[item.flow] = item.due


def test_of_equally_due_ones_the_first_that_came_goes_first() -> None:
    waiting = [Item(Flow("standard", "a"), 1, 0) for _ in range(5)]
    queue = filled(waiting)
    assert queue.newest(Flow("standard", "a")) is waiting[-1]
    assert [queue.pop() for _ in waiting] == waiting


@given(st.lists(flows, min_size=2, unique=True), st.data())
def test_flows_that_always_wait_get_their_shares_of_the_tokens(
    names: list[Flow], data: st.DataObject
) -> None:
    costs = {name: data.draw(st.floats(1, MOST)) for name in names}
    queue = filled([Item(name, costs[name], 0) for name in names])
    tenants = {kind: sum(name.service_class == kind for name in names) for kind in SERVICE_CLASSES}
    weights = {name: SHARES[name.service_class] / tenants[name.service_class] for name in names}
    got: defaultdict[Flow, float] = defaultdict(float)
    for _ in range(300):
        item = queue.pop()
        queue.add(Item(item.flow, item.cost, 0))
        got[item.flow] += item.cost
    rounds = [(got[name] / weights[name], costs[name] / weights[name]) for name in names]
    for taken, slack in rounds:
        for other, other_slack in rounds:
            assert taken <= other + slack + other_slack + 1e-6


def test_a_flow_that_waited_alone_has_no_credit_afterwards() -> None:
    queue = filled([Item(Flow("standard", "a"), 10, 0) for _ in range(50)])
    for _ in range(50):
        queue.pop()
    for tenant in "ab":
        for _ in range(4):
            queue.add(Item(Flow("standard", tenant), 10, 0))
    assert sorted(queue.pop().flow.tenant for _ in range(4)) == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    ("there", "flow", "part"),
    [
        ([], Flow("batch", "a"), 1.0),
        ([Flow("interactive", "a")], Flow("interactive", "b"), 0.5),
        ([Flow("interactive", "a")], Flow("standard", "a"), 0.3 / 0.9),
        ([Flow("interactive", "a"), Flow("batch", "a")], Flow("batch", "a"), 0.1 / 0.7),
    ],
)
def test_the_part_that_a_newcomer_would_get(there: list[Flow], flow: Flow, part: float) -> None:
    assert filled([Item(name, 1, 0) for name in there]).part_of(flow) == pytest.approx(part)
