"""How often intervals of an accuracy hold the truth, and what statistics of 10,000 samples cost.

python -m benchmarks.eval_statistics
"""

import random
import time
from statistics import fmean

from benchmarks import machine
from perpend.evals.runs.rows import SampleRow
from perpend.evals.stats.summary import summary
from perpend.statistics import share, standard_error

_EVALUATIONS = 1500
_RESAMPLES = 200
_DIFFICULTIES = ((1, 1), (9, 1), (0.5, 9.5), (0.2, 0.2))
"""Beta distributions that problems' accuracies are drawn from."""


def coverage(problems: int, samples: int, beta: tuple[float, float], seed: int = 7) -> tuple[float, ...]:
    """Of the share's own interval, of the normal one with clustered errors, of a bootstrap over problems."""
    rng, true = random.Random(seed), beta[0] / sum(beta)
    held = [0, 0, 0]
    for _ in range(_EVALUATIONS):
        accuracies = [rng.betavariate(*beta) for _ in range(problems)]
        means = [fmean(rng.random() < p for _ in range(samples)) for p in accuracies]
        own = share(means, problems * samples)
        middle, error = fmean(means), 1.96 * (standard_error(means) or 0)
        drawn = sorted(fmean(rng.choices(means, k=problems)) for _ in range(_RESAMPLES))
        bounds = (
            (own.low, own.high),
            (middle - error, middle + error),
            (drawn[_RESAMPLES // 40], drawn[-_RESAMPLES // 40 - 1]),
        )
        for index, (low, high) in enumerate(bounds):
            held[index] += low <= true <= high
    return tuple(count / _EVALUATIONS for count in held)


def cpu_s(problems: int, samples: int) -> float:
    rng = random.Random(1)
    rows: list[SampleRow] = []
    for problem in range(problems):
        easy = rng.random()
        for _ in range(samples):
            right = rng.random() < easy
            rows.append(
                SampleRow(
                    problem=problem,
                    correct=right,
                    answer="0" if right else str(rng.randrange(1, 9)),
                    thinking_tokens=rng.randrange(1000),
                    cost_usd=rng.random(),
                    seconds=rng.random(),
                    truncated=False,
                    reward=rng.random(),
                )
            )
    began = time.process_time()
    summary(rows)
    return time.process_time() - began


def main() -> None:
    print(machine.one_line())
    print("problems samples  difficulty   share  normal  bootstrap")
    for problems in (30, 100):
        for samples in (1, 8):
            for beta in _DIFFICULTIES:
                own, normal, drawn = coverage(problems, samples, beta)
                print(f"{problems:8} {samples:7}  {beta!s:11} {own:.3f}   {normal:.3f}      {drawn:.3f}")
    for problems, samples in ((1250, 8), (10_000, 1), (200, 50)):
        print(f"{problems} problems of {samples}: {cpu_s(problems, samples):.2f} s of CPU")


if __name__ == "__main__":
    main()
