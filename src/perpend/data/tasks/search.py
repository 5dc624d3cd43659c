"""A way through a map with dead ends: wrong branches are walked, found dead, and left again. Difficulty: roads.

Roads b-de a-bc c-f. From a to f.      abd dead / abe dead / ab dead / acf      acf
"""

import random
import re
from itertools import pairwise

from perpend.data.error_injection import ErrorInjector
from perpend.data.tasks.contract import Kind, Work, kinds

_DEEPEST = 5


def make(rng: random.Random, difficulty: int) -> str:
    places = rng.sample("abcdefghijklmnopqrstuvwxyz", difficulty + 1)
    depth = {places[0]: 0}
    ways: dict[str, list[str]] = {place: [] for place in places}
    for place in places[1:]:
        near = [p for p in depth if depth[p] < _DEEPEST and len(ways[p]) < 3]
        parent = rng.choice(near)
        ways[parent].append(place)
        depth[place] = depth[parent] + 1
    roads = [f"{place}-{''.join(to)}" for place, to in ways.items() if to]
    rng.shuffle(roads)
    ends = [place for place in places[1:] if not ways[place]]
    return f"Roads {' '.join(roads)}. From {places[0]} to {rng.choice(ends)}."


def _read(text: str) -> tuple[dict[str, list[str]], str, str]:
    roads, start, goal = re.fullmatch(r"Roads (.*)\. From (.) to (.)\.", text).groups()  # pyright: ignore[reportOptionalMemberAccess] -- made here
    return {road[0]: list(road[2:]) for road in roads.split()}, start, goal


def work(text: str, errors: ErrorInjector) -> Work:
    """Depth first, roads in the order given: a place is dead once its roads are. An injected error calls
    it dead too early.
    """
    ways, start, goal = _read(text)
    lines: list[str] = []

    def walk(path: str) -> str | None:
        if path[-1] == goal:
            lines.append(path)
            return path
        for to in ways.get(path[-1], []):
            if len(path) > 1 and errors.errs():
                break
            if found := walk(path + to):
                return found
        lines.append(f"{path} dead")
        return None

    # all dead by mistake: whoever has to answer names the two ends
    return Work(lines, walk(start) or start + goal)


def accepts(text: str, answer: str) -> bool:
    """Any walk along the roads from the one place to the other."""
    ways, start, goal = _read(text)
    if not (answer.startswith(start) and answer.endswith(goal)):
        return False
    return all(to in ways.get(place, []) for place, to in pairwise(answer))


kinds.register("search")(Kind(make, work, taught=range(4, 10), levels=range(4, 15), accepts=accepts))
