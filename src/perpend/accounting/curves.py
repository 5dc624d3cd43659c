"""Accuracy against the thinking budget, as measured, and the budgets to which shedding may lower a request by it.

docs/decisions/0013-shedding-goes-by-the-measured-curve.md says why.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from statistics import fmean

import msgspec
from msgspec import Struct

from perpend.accounting.model_files import model_file, read_model_file, write_model_file
from perpend.statistics import Estimate, holm, paired_difference, share, sign_flip
from perpend.types import Effort

FOLDER = "curves"
MARGIN = 0.05
"""Of accuracy, that the knee may lose."""
OFF_MARGIN = 0.25
"""Of what is right with thinking, the share that no thought at all may lose."""
_LEAKS_BELOW = 14
"""Per cent of its natural length: a thought that is cut there goes on in the answer (jundot/omlx#1812, two models)."""
_ALPHA = 0.05


class CurvePoint(Struct, frozen=True, kw_only=True, dict=True):
    """One budget, tried on every problem."""

    budget: int
    right: tuple[int, ...]
    """Of each problem's samples, those that are; problems come in the same order at every point."""
    samples: int = 1
    """Of each problem."""
    thinking_tokens: float = 0
    """Mean of what was used."""
    answer_tokens: float = 0

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """Of each problem's samples, the share that is right."""
        return tuple(count / self.samples for count in self.right)

    @property
    def tokens(self) -> float:
        """Mean of an answer, its thinking included."""
        return self.thinking_tokens + self.answer_tokens

    @cached_property
    def accuracy(self) -> Estimate:
        return share(self.shares, len(self.right) * self.samples)


class CurveSource(Struct, frozen=True, kw_only=True):
    """Where a curve comes from."""

    suite: str
    fingerprint: str
    """Of its problems' texts and golds."""
    seeds: tuple[int, ...]
    measured: str
    """When the last run began, in ISO 8601."""
    model_versions: tuple[str, ...]
    """As its server told them."""
    runs: tuple[str, ...]
    """Their folders' names."""


class Curve(Struct, frozen=True, kw_only=True, dict=True):
    """A model's file in PERPEND_HOME/curves."""

    model: str
    source: CurveSource
    points: tuple[CurvePoint, ...]
    """From little thinking to much; 0 is none at all."""
    natural_p50: int | None = None
    """Half of the thoughts that nothing cut are no longer; None where more were cut, at the largest budget too."""
    natural_p90: int | None = None
    data: str
    """Hash of the points."""
    margin: float = MARGIN
    off_margin: float = OFF_MARGIN

    def __post_init__(self) -> None:
        """Raises ValueError."""
        budgets = [point.budget for point in self.points]
        if len(budgets) < 2 or budgets != sorted(set(budgets)) or budgets[0] < 0:
            raise ValueError("points aren't two budgets or more, from little to much")
        if not self.points[0].right or len({len(point.right) for point in self.points}) > 1:
            raise ValueError("points aren't of the same problems")
        if any(not 0 <= count <= point.samples for point in self.points for count in point.right):
            raise ValueError("more samples are right than were asked for")
        if data_hash(self.points) != self.data:
            raise ValueError("its points aren't those that were measured: their hash is another one")

    @property
    def problems(self) -> int:
        return len(self.points[0].right)

    def covers(self, thinking: int) -> bool:
        """Something was measured that says what so much thinking reaches: hardly a thought is cut at more."""
        return thinking <= self.points[-1].budget or self.natural_p90 is not None

    def steps(self, thinking: int) -> tuple[int, ...]:
        """Where a request for `thinking` tokens may be: those (*kept*), the *knee*, and 0 (*off*), in that order.

        The knee is the smallest measured budget that is surely not worse, by more than the margin, than the kept one or
        any between: budgets are tried from above, until one fails. It's outside of the dip, and better than off. Off
        may lose a share of what is right. What isn't surely so is no step, nor is what takes no fewer tokens in all: a
        model that may not think may well write as much.
        """
        if not thinking or not self.covers(thinking):
            return (thinking,)
        return (thinking, *self._ladders[bisect_left([point.budget for point in self.points], thinking)])

    def knee(self, thinking: int) -> int | None:
        """The step between kept and off; None where there is none."""
        return next((step for step in self.steps(thinking)[1:] if step), None)

    @cached_property
    def dip(self) -> int:
        """Thinking budgets from 1 to this one are worse than none; 0: none is.

        One is where surely fewer are right than without thinking (a sign-flip test over problems, p < 0.05 by Holm), or
        where thoughts are cut so short that they go on in the answer.
        """
        natural = self.points[-1].budget if self.natural_p50 is None else self.natural_p50
        leaking = -(-_LEAKS_BELOW * natural // 100) - 1
        off = self._off
        if off is None:
            return max(0, leaking)
        apart = [[a - b for a, b in zip(one.shares, off.shares, strict=True)] for one in self.points[1:]]
        ps = holm([sign_flip(more) if fmean(more) < 0 else 1.0 for more in apart])
        worse = [point.budget for point, p in zip(self.points[1:], ps, strict=True) if p < _ALPHA]
        return max(0, leaking, *worse)

    @cached_property
    def _off(self) -> CurvePoint | None:
        return None if self.points[0].budget else self.points[0]

    @cached_property
    def _ladders(self) -> tuple[tuple[int, ...], ...]:
        """What follows kept, by the number of measured budgets below it. Between two it counts as the larger one."""
        return tuple(map(self._ladder, range(len(self.points) + 1)))

    def _ladder(self, place: int) -> tuple[int, ...]:
        off, knee = self._off, None
        for index in reversed(range(place)):
            point, kept = self.points[index], self.points[index + 1 : place + 1]
            dominated = off is not None and point.accuracy.estimate <= off.accuracy.estimate
            lost = max((paired_loss(one, point).high for one in kept), default=0.0)
            if point.budget <= self.dip or dominated or lost > self.margin:
                break
            knee = point.budget if _saves(kept, point) else knee
        steps = () if knee is None else (knee,)
        return (*steps, 0) if off and self._off_does(self.points[1 : place + 1], off) else steps

    def _off_does(self, kept: Sequence[CurvePoint], off: CurvePoint) -> bool:
        enough = all(paired_loss(one, off).high <= self.off_margin * one.accuracy.estimate for one in kept)
        return enough and _saves(kept[-1:], off)


def _saves(kept: Sequence[CurvePoint], lower: CurvePoint) -> bool:
    """It takes fewer tokens; a server that hides thinking may not count it."""
    return all(lower.tokens < one.tokens for one in kept if one.thinking_tokens)


def paired_loss(kept: CurvePoint, lower: CurvePoint) -> Estimate:
    """Of accuracy, on the same problems."""
    samples = len(kept.right) * min(kept.samples, lower.samples)
    return paired_difference(list(zip(kept.shares, lower.shares, strict=True)), samples)


def unmeasured_steps(
    thinking: int, usual: dict[Effort, int], *, natural: int = 0, can_stop: bool
) -> tuple[int, ...]:
    """The budgets for a model without a curve: kept, half of it, off.

    Half is no step where it is below the tokens of the `usual` medium effort, or below the `natural` length of nearly
    all of its thoughts: one that is cut there may do worse than none. Off is a step where the model was made for that
    too (`can_stop`) and no more than medium effort was asked for.
    """
    steps = [thinking]
    lower = max(thinking // 2, usual["medium"], natural)
    if lower < thinking:
        steps.append(lower)
    if can_stop and 0 < thinking <= usual["medium"]:
        steps.append(0)
    return tuple(steps)


def data_hash(points: Sequence[CurvePoint]) -> str:
    data = [
        (one.budget, one.right, one.samples, float(one.thinking_tokens), float(one.answer_tokens))
        for one in points
    ]
    return hashlib.sha256(msgspec.json.encode(data)).hexdigest()[:16]


def curve_of(home: Path, model: str) -> Curve | None:
    """None where none is installed. Raises ConfigError where its file can't be read."""
    return read_curve(curve_path(home, model))


def installed(home: Path) -> list[Path]:
    """The files of all models."""
    return sorted((home / FOLDER).glob("*.json"))


def read_curve(path: Path) -> Curve | None:
    """As `curve_of`, of its file."""
    return read_model_file(path, Curve, again="perpend eval curve RUN… --install")


def install(home: Path, curve: Curve) -> Path:
    return write_model_file(curve_path(home, curve.model), curve)


def curve_path(home: Path, model: str) -> Path:
    return model_file(home, FOLDER, model)
