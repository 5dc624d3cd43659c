"""What a model was measured to think: tokens for each effort and each requested budget, and what follows from it."""

import datetime
from pathlib import Path
from statistics import median

from msgspec import Struct, field

from perpend.accounting.model_files import model_file, read_model_file, write_model_file
from perpend.types import EFFORTS, Effort

FOLDER = "calibration"
_NEARLY_ALL = 0.9


class CalibrationPoint(Struct, frozen=True, kw_only=True):
    """One setting, tried on each prompt."""

    effort: Effort | None = None
    """Asked for by this word; None: by tokens alone."""
    budget: int | None = None
    """Thinking tokens that were allowed; None: as many as the effort takes."""
    used: tuple[int, ...]
    """Thinking tokens of each prompt."""
    ended: int = 0
    """Thoughts that ended by themselves, below the budget."""

    @property
    def usual(self) -> int:
        """The median, rounded up."""
        return -int(-median(self.used) // 1)

    @property
    def nearly_all(self) -> int:
        """What nine thoughts of ten need."""
        return quantile(self.used, _NEARLY_ALL)

    @property
    def overshoot(self) -> int:
        """The most tokens by which a thought exceeded its budget."""
        return 0 if self.budget is None else max(0, max(self.used) - self.budget)


class Calibration(Struct, frozen=True, kw_only=True):
    """A model's file in PERPEND_HOME/calibration."""

    model: str
    family: str
    measured: datetime.datetime
    prompts: int
    points: tuple[CalibrationPoint, ...] = field(default_factory=tuple)

    @property
    def usual(self) -> dict[Effort, int]:
        """Tokens that each measured effort usually takes; a higher effort never counts as fewer."""
        return self._by_effort({point.effort: point.usual for point in self.points if point.effort})

    @property
    def nearly_all(self) -> dict[Effort, int]:
        """Tokens with which nine thoughts of ten aren't cut."""
        return self._by_effort({point.effort: point.nearly_all for point in self.points if point.effort})

    def _by_effort(self, tokens: dict[Effort, int]) -> dict[Effort, int]:
        highest = 0
        rising: dict[Effort, int] = {}
        for effort in EFFORTS:
            if effort in tokens:
                highest = max(highest, tokens[effort])
                rising[effort] = highest
        return rising


def effort_for(tokens: int, usual: dict[Effort, int]) -> Effort:
    """The effort whose usual tokens come nearest below a budget, the lowest where all are above; 0 is `none`."""
    if not tokens:
        return "none"
    efforts: list[Effort] = [effort for effort in EFFORTS if effort in usual and effort != "none"]
    below: list[Effort] = [effort for effort in efforts if usual[effort] <= tokens]
    return below[-1] if below else efforts[0]


def room_for(ladder: dict[Effort, int], calibration: Calibration | None) -> dict[Effort, int]:
    """Tokens allowed for each effort, where the server decides how many it takes: never fewer than nearly all need."""
    if calibration is None:
        return ladder
    needed = calibration.nearly_all
    highest = 0
    room: dict[Effort, int] = {}
    for effort in EFFORTS:
        highest = room[effort] = max(highest, ladder[effort], needed.get(effort, 0))
    return room


def quantile(counts: tuple[int, ...], share: float) -> int:
    """The smallest count that is at least as large as `share` of them."""
    ranked = sorted(counts)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)]


def calibration_of(home: Path, model: str) -> Calibration | None:
    """None where the model wasn't measured. Raises ConfigError where its file can't be read."""
    path = calibration_path(home, model)
    return read_model_file(path, Calibration, again=f"perpend calibrate {model}")


def save(home: Path, calibration: Calibration) -> Path:
    return write_model_file(calibration_path(home, calibration.model), calibration)


def calibration_path(home: Path, model: str) -> Path:
    return model_file(home, FOLDER, model)
