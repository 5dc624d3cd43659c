"""The figures of `tiny_curves`: tables with intervals from its answers, and their plots."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from perpend.statistics import proportion

RESAMPLES = 1000


class Ask(NamedTuple):
    budget: int
    waits: int
    sample: int


class Row(NamedTuple):
    kind: str
    text: str
    ask: Ask
    answer: str
    right: bool
    thinking: int
    answer_tokens: int


class Point(NamedTuple):
    """A figure with its 95 % interval."""

    series: str
    x: float
    accuracy: float
    low: float
    high: float
    thinking: float
    """Mean thinking tokens of a problem, all samples together."""


class Answers:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, Ask], Row] = {}

    @classmethod
    def read(cls, log: Path) -> "Answers":
        answers = cls()
        if log.exists():
            for line in log.read_text().splitlines():
                answers.add(msgspec.json.decode(line, type=Row))
        return answers

    def add(self, row: Row) -> None:
        self.rows[row.text, row.ask] = row

    def samples(self, text: str, budget: int, count: int) -> list[Row]:
        return [self.rows[text, Ask(budget, 0, sample)] for sample in range(count)]


def once(answers: Answers, texts: list[str], ask: Ask, series: str, x: float) -> Point:
    """One answer a problem: Wilson's interval."""
    rows = [answers.rows[text, ask] for text in texts]
    found = proportion(sum(row.right for row in rows), len(rows))
    thinking = sum(row.thinking for row in rows) / len(rows)
    return Point(series, x, found.estimate, found.low, found.high, thinking)


def voted(rows: list[Row]) -> float:
    """Whether the commonest answer is right; a tie counts by the share of its right answers."""
    counts = Counter(row.answer for row in rows)
    most = max(counts.values())
    leaders = {answer for answer, count in counts.items() if count == most}
    right = {row.answer for row in rows if row.right}
    return len(leaders & right) / len(leaders)


def verified(rows: list[Row]) -> float:
    """Whether a verifier would have found a right answer among them."""
    return float(any(row.right for row in rows))


def many(
    answers: Answers,
    texts: list[str],
    judge: Callable[[list[Row]], float],
    series: str,
    budget: int,
    counts: tuple[int, int],
) -> Point:
    """`counts`: k of n samples: the mean over 16 draws of k, with a bootstrap over problems."""
    k, n = counts
    rng = random.Random(1)
    scores: list[float] = []
    thinking = 0.0
    for text in texts:
        rows = answers.samples(text, budget, n)
        draws = [rows] if k == n else [rng.sample(rows, k) for _ in range(16)]
        scores.append(sum(judge(draw) for draw in draws) / len(draws))
        thinking += k * sum(row.thinking for row in rows) / n
    mean = sum(scores) / len(scores)
    low, high = bootstrap(scores)
    return Point(series, k, mean, low, high, thinking / len(texts))


def bootstrap(scores: list[float]) -> tuple[float, float]:
    """95 % interval of the mean, by drawing problems anew."""
    rng = random.Random(2)
    means = sorted(sum(rng.choices(scores, k=len(scores))) / len(scores) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def differences(answers: Answers, texts: list[str], some: list[str], budgets: list[int]) -> list[Point]:
    """What a step more brought on the same problems: paired, so that easy and hard ones don't blur it."""

    def right(text: str, ask: Ask) -> bool:
        return answers.rows[text, ask].right

    def point(series: str, x: float, gains: list[float]) -> Point:
        low, high = bootstrap(gains)
        return Point(series, x, sum(gains) / len(gains), low, high, 0.0)

    most = budgets[-1]
    found = [
        point(
            f"budget {less} to {more}",
            more,
            [right(t, Ask(more, 0, 0)) - right(t, Ask(less, 0, 0)) for t in texts],
        )
        for less, more in pairwise(budgets)
    ]
    found += [
        point(
            "made to check, over not",
            waits,
            [right(t, Ask(most, waits, 0)) - right(t, Ask(most, 0, 0)) for t in texts],
        )
        for waits in (1, 2)
    ]
    for judge, series in ((voted, "vote, over one of them"), (verified, "verified, over one of them")):
        for k in (4, 16):
            rows = [answers.samples(text, most, 16) for text in some]
            gains = [judge(of[:k]) - sum(row.right for row in of) / 16 for of in rows]
            found.append(point(series, k, gains))
    return found


def report(answers: Answers, texts: list[str], some: list[str], out: Path) -> dict[str, Any]:
    """Prints and draws every curve; `some`: the problems that were answered many times."""
    budgets = sorted({ask.budget for text, ask in answers.rows if text == texts[-1] and not ask.waits})
    budgets = [b for b in budgets if all((text, Ask(b, 0, 0)) in answers.rows for text in texts)]
    most = budgets[-1]
    by_kind: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        by_kind[answers.rows[text, Ask(most, 0, 0)].kind].append(text)
    groups = {"all": texts, **by_kind}
    budget = [once(answers, of, Ask(b, 0, 0), kind, b) for kind, of in groups.items() for b in budgets]
    waits = [once(answers, of, Ask(most, w, 0), kind, w) for kind, of in groups.items() for w in (0, 1, 2)]
    votes = [
        many(answers, some, judge, series, most, (k, 16))
        for series, judge in (("majority vote", voted), ("best of N, verified", verified))
        for k in (1, 2, 4, 8, 16)
    ]
    equal = [
        many(answers, some, judge, f"{series}, {128 // k} tokens each", 128 // k, (k, k))
        for series, judge in (("vote", voted), ("verified", verified))
        for k in (1, 2, 4, 8)
    ]
    curves = {"budget": budget, "wait": waits, "samples": votes, "equal_tokens": equal}
    curves["differences"] = differences(answers, texts, some, budgets)
    for name, points in curves.items():
        print(f"\n{name}\nseries                             x  accuracy  95 % interval   thinking tokens")
        for p in points:
            print(
                f"{p.series:32} {p.x:5g}     {p.accuracy:.3f}  {p.low:.3f} to {p.high:.3f}  {p.thinking:10.1f}"
            )
    print(f"\n{len(texts)} problems, {len(some)} of them answered many times")
    draw(out / "budget.png", budget, "thinking budget (tokens)", "Accuracy by thinking budget")
    draw(out / "samples.png", votes, "samples", "More samples: voted, verified")
    draw(out / "wait.png", waits, "times made to check", "Made to look again")
    same = [p._replace(series=p.series.split(",")[0]) for p in equal]
    draw(
        out / "equal_tokens.png", same, "thoughts that share 128 tokens", "One long thought or several short"
    )
    return {name: [p._asdict() for p in points] for name, points in curves.items()}


def draw(path: Path, points: list[Point], x_title: str, title: str) -> None:
    import vl_convert

    x = {"field": "x", "type": "quantitative", "title": x_title, "axis": {"tickMinStep": 1}}
    y = {"type": "quantitative", "scale": {"domain": [0, 1]}, "title": "accuracy, 95 % interval"}
    colour = {"field": "series", "type": "nominal", "title": None}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": [p._asdict() for p in points]},
        "width": 480,
        "height": 320,
        "title": title,
        "encoding": {"x": x, "color": colour},
        "layer": [
            {"mark": {"type": "line", "point": True}, "encoding": {"y": {**y, "field": "accuracy"}}},
            {"mark": "rule", "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}}},
        ],
    }
    path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    print(path)
