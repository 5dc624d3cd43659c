"""Easy sums on which a cut thought does worse than none, and how often noise misleads the rule that finds the knee.

    python -m benchmarks.shedding_curves sums > easy.jsonl
    python -m benchmarks.shedding_curves noise PERPEND_HOME/curves/tiny.json

`sums` writes a suite for `perpend eval decide`. `noise` draws problems of an installed curve anew, 400 times for each
number of them, and plants a curve with a dip as often; beside the product's rule stands the one that takes the smallest
budget whose estimate is within the margin.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from perpend.accounting.curves import Curve, CurvePoint, data_hash, read_curve

TIMES = 400
PLANTED = {0: 0.9, 512: 0.55, 1024: 0.75, 2048: 0.88, 4096: 0.95, 8192: 0.95}
NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gail", "Hugo", "Ida", "Jon")
THINGS = ("apples", "coins", "cards", "books", "stamps", "shells")
Points = tuple[CurvePoint, ...]


def sums(count: int = 40) -> list[dict[str, str]]:
    rng = random.Random(1)
    rows: list[dict[str, str]] = []
    for number in range(count):
        name, thing = rng.choice(NAMES), rng.choice(THINGS)
        a, b = rng.randint(2, 9), rng.randint(2, 9)
        if number % 2:
            question = f"{name} has {a} {thing} and gets {b} more. How many {thing} does {name} have now?"
            rows.append({"question": question, "gold": str(a + b), "verifier": "math"})
        else:
            question = f"{name} has {a + b} {thing} and gives {b} away. How many {thing} are left?"
            rows.append({"question": question, "gold": str(a), "verifier": "math"})
    return list({row["question"]: row for row in rows}.values())


def by_estimate(points: Points, margin: float) -> int:
    kept = points[-1].accuracy.estimate
    return min(point.budget for point in points if point.budget and kept - point.accuracy.estimate <= margin)


def drawn(points: Points, n: int, seed: int) -> Points:
    rng = random.Random(seed)
    places = rng.choices(range(len(points[0].right)), k=n)
    return tuple(replace(one, right=tuple(one.right[place] for place in places)) for one in points)


def planted(n: int, seed: int) -> Points:
    """Problems are as hard at every budget: one is solved where it is easier than the accuracy, but for noise."""
    rng = random.Random(seed)
    hard = [rng.random() for _ in range(n)]
    return tuple(
        CurvePoint(budget=budget, right=tuple(int(one + rng.gauss(0, 0.2) < accuracy) for one in hard))
        for budget, accuracy in PLANTED.items()
    )


def noise(what: str, like: Curve, sizes: tuple[int, ...], draw: Callable[[int, int], Points]) -> None:
    print(what, {point.budget: round(point.accuracy.estimate, 3) for point in like.points})
    for n in sizes:
        steps, estimated = Counter[tuple[int, ...]](), Counter[int]()
        for seed in range(TIMES):
            points = draw(n, seed)
            one = replace(like, points=points, data=data_hash(points))
            steps[one.steps(points[-1].budget)[1:]] += 1
            estimated[by_estimate(points, like.margin)] += 1
        print(f"{n:5} problems: steps {dict(steps)}; by estimate alone {dict(estimated)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("sums", "noise"))
    parser.add_argument("curve", type=Path, nargs="?")
    options = parser.parse_args()
    if options.what == "sums":
        print("\n".join(map(json.dumps, sums())))
        return
    measured = None if options.curve is None else read_curve(options.curve)
    if measured is None:
        raise SystemExit("name the file of an installed curve")
    noise("measured", measured, (50, 100, 200, 400, 1050), lambda n, seed: drawn(measured.points, n, seed))
    many = planted(100_000, 0)
    dip = replace(measured, points=many, data=data_hash(many), natural_p50=1500, natural_p90=4000)
    noise("planted", dip, (50, 100, 200, 400), planted)


if __name__ == "__main__":
    main()
