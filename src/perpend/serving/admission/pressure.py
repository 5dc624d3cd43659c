"""How much a request may take where others wait behind it, and which one has to leave a full queue."""

from collections.abc import Mapping

from perpend.serving.admission.fair_queue import Flow
from perpend.serving.admission.levels import Level
from perpend.serving.admission.model_load import ModelLoad, Waiting
from perpend.types import SERVICE_CLASSES, ServiceClass

_LENIENCY: Mapping[ServiceClass, float] = {"interactive": 2.0, "standard": 1.0, "batch": 0.5}
"""Times the share that there is time for: batch is lowered first, interactive last."""


def level_for(load: ModelLoad, waiting: Waiting, now: float) -> Level | None:
    """The most that there is time for, before its own deadline and for those that wait; else the least of its levels.

    None: there is no time for an answer at all.
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
    """There is no time for it even where it thinks as little as it can."""
    levels, model = waiting.levels, load.model
    return levels[-1].work_s(model) > _share(load, waiting, now) * levels[0].work_s(model)


def least_wait_s(load: ModelLoad, flow: Flow) -> float:
    """Until one more of a flow would begin, where all think as little as they can: all that wait, or its own flow."""
    works_s = {each: each.levels[-1].work_s(load.model) for each in load.queue}
    own_s = load.seconds_for(work_s for each, work_s in works_s.items() if each.flow == flow)
    return min(load.seconds_for(works_s.values()), own_s / load.queue.part_of(flow))


def yielding(
    load: ModelLoad, flow: Flow, shares: Mapping[ServiceClass, float], places: int
) -> Waiting | None:
    """Who leaves a full queue of so many `places` for one of `flow`: the newest of the tenant that has most there.

    Of a lower class, where that has more than its share of the places; else of its own, where the tenant has more.
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
    """How much of what those that wait would take there is time for, in the flow that has the least of it.

    There is time for a flow if, at its part of the turns, its requests begin when they are due on average.
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
