"""Decides how much a request may take while others wait, and which request leaves a full queue."""

from collections.abc import Mapping

from perpend.serving.admission.fair_queue import Flow
from perpend.serving.admission.levels import Level
from perpend.serving.admission.model_load import ModelLoad, Waiting
from perpend.types import SERVICE_CLASSES, ServiceClass

_LENIENCY: Mapping[ServiceClass, float] = {"interactive": 2.0, "standard": 1.0, "batch": 0.5}
"""Factors of the share that there is time for: batch is lowered first, interactive last."""


def level_for(load: ModelLoad, waiting: Waiting, now: float) -> Level | None:
    """Returns the highest level that its deadline and the waiting requests leave time for, else the lowest one.

    Returns None where there is no time even for the lowest level before its deadline.
    """
    model, levels, deadline = load.model, waiting.levels, waiting.deadline
    if deadline is not None and now + levels[-1].seconds(model) > deadline:
        return None
    affordable_s = _share(load, waiting, now) * levels[0].work_s(model)
    for level in levels:
        in_time = deadline is None or now + level.seconds(model, most=True) <= deadline
        if in_time and level.work_s(model) <= affordable_s:
            return level
    return levels[-1]


def beyond_thinking(load: ModelLoad, waiting: Waiting, now: float) -> bool:
    """Tells whether there is no time for the request even at its lowest level."""
    levels, model = waiting.levels, load.model
    return levels[-1].work_s(model) > _share(load, waiting, now) * levels[0].work_s(model)


def least_wait_s(load: ModelLoad, flow: Flow) -> float:
    """Predicts the fewest seconds before one more request of the flow starts, with all at their lowest levels."""
    works_s = {each: each.levels[-1].work_s(load.model) for each in load.queue}
    own_s = load.seconds_for(work_s for each, work_s in works_s.items() if each.flow == flow)
    return min(load.seconds_for(works_s.values()), own_s / load.queue.part_of(flow))


def yielding(
    load: ModelLoad, flow: Flow, shares: Mapping[ServiceClass, float], places: int
) -> Waiting | None:
    """Returns the request that leaves a full queue of `places` for one of `flow`; None where `flow`'s own is refused.

    It is the newest request of the tenant with most requests in a lower class, if that class has more than its share of
    the places; else in the same class, if that tenant has at least two requests more than `flow`.
    """
    counts = load.queue.counts()
    for service_class in reversed(SERVICE_CLASSES):
        there = {each: count for each, count in counts.items() if each.service_class == service_class}
        most = max(there, key=lambda each: counts[each], default=flow)
        if service_class == flow.service_class:
            return load.queue.newest(most) if counts.get(most, 0) > counts.get(flow, 0) + 1 else None
        if sum(there.values()) > shares[service_class] * places:
            return load.queue.newest(most)
    return None


def _share(load: ModelLoad, waiting: Waiting, now: float) -> float:
    """Returns the share, from 0 to 1, of the waiting work that there is time for, in the flow with least time.

    There is time for a flow if its requests, at its part of the turns, start when they are due on average.
    """
    flows: dict[Flow, list[Waiting]] = {}
    for each in load.queue:
        flows.setdefault(each.flow, []).append(each)
    least = 1.0
    for flow, behind in flows.items():
        work_s = load.seconds_for(each.levels[0].work_s(load.model) for each in behind)
        left_s = sum(each.due for each in behind) / len(behind) - now
        if work_s:
            least = min(least, left_s * load.queue.part_of(flow) / work_s)
    return 1.0 if least >= 1 else min(1.0, max(0.0, least) * _LENIENCY[waiting.flow.service_class])
