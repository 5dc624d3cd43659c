"""The values of a run: its settings, and a sample for each answer to a problem."""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from perpend.accounting.prices import together
from perpend.evals.runs.rows import SampleRow
from perpend.types import Effort, StopReason, Usage, Verdict


class RunSettings(Struct, frozen=True, kw_only=True):
    """All settings that the answers depend on: two runs with equal settings are the same run."""

    suite: str
    problems: tuple[str, ...]
    """Their ids, in order."""
    fingerprint: str
    """A digest of the problems' texts and golds."""
    target: str
    """`local`, or the base URL of a gateway."""
    model: str | None = None
    effort: Effort | None = None
    max_thinking_tokens: int | None = None
    max_output_tokens: int | None = None
    system: str | None = None
    """The system message, in place of the suite's own."""
    verifier: Any = None
    """Replaces the suite's own: a name, or an object with options."""
    strategy: Any = "single"
    """A name, or an object with options."""
    samples: int = 1
    """Of each problem."""
    temperature: float | None = None
    seed: int = 0


class Attempt(Struct, frozen=True, kw_only=True):
    """One candidate of a sample."""

    answer: str
    thinking: str
    usage: Usage
    stop_reason: StopReason
    score: float | None = None


class Sample(Struct, frozen=True, kw_only=True):
    """One answer to one problem, graded; or why there is none."""

    problem: str
    number: int
    """From 0: which of the problem's samples it is."""
    answer: str = ""
    thinking: str = ""
    verdict: Verdict | None = None
    usage: Usage = Usage()
    cost_usd: Decimal | None = Decimal(0)
    grading_usd: Decimal | None = Decimal(0)
    """US dollars of its judge model."""
    seconds: float = 0.0
    truncated: bool = False
    stop_reason: StopReason | None = None
    model_version: str = ""
    candidates: tuple[Attempt, ...] = ()
    """Empty where there is only one."""
    error: str | None = None
    """The error's code, where there is no answer."""

    @property
    def spent_usd(self) -> Decimal | None:
        """US dollars of answer and judge together; None where either isn't known."""
        return together((self.cost_usd, self.grading_usd))

    @property
    def correct(self) -> bool:
        return self.verdict is not None and self.verdict.passed


def row_of(sample: Sample, settings: RunSettings) -> SampleRow:
    """The sample as a row of `perpend eval stats`."""
    return SampleRow(
        problem=sample.problem,
        correct=sample.correct,
        answer=sample.answer or None,
        thinking_tokens=sample.usage.thinking,
        cost_usd=None if sample.cost_usd is None else float(sample.cost_usd),
        seconds=sample.seconds,
        truncated=sample.truncated,
        refused=sample.stop_reason == "content_filter",
        budget=settings.max_thinking_tokens,
    )
