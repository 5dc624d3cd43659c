"""The cascade over recorded answers: two cheaper models that agree answer, else the best one is asked.

    python -m benchmarks.replay_cascade ../shared/data/outcomes

No model runs: 28 models' answers to MMLU-Pro are replayed through the real strategy, session and ledger. Beside it:
each of the three models alone, and the other pairs of the next best five below the same best one.
"""

import argparse
import asyncio
import sys
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from recorded_choices import CHEAP, STRONG, Row, asked, read, recorded

from perpend.statistics import proportion

OTHERS = ("Meta-Llama-3_1-70B", "Meta-Llama-3-70B", "jamba-1.5-large")


async def _main(folder: Path, every: int) -> None:
    names, rows = read(folder)
    rows = rows[::every]
    print("| who answers | n | accuracy | 95 % interval | escalated |\n|---|---|---|---|---|")
    for name in (STRONG, *CHEAP):
        _print(f"{name} alone", sum(row.preds[names.index(name)] == row.answer for row in rows), len(rows))
    for pair in combinations((*CHEAP, *OTHERS), 2):
        right, escalated = await cascaded(names, rows, pair)
        _print(f"{' and '.join(pair)}, else {STRONG}", right, len(rows), escalated)


async def cascaded(names: list[str], rows: list[Row], pair: tuple[str, ...]) -> tuple[int, int]:
    """How many it got right, and how many of all it escalated."""
    spine = recorded(names, rows)
    options = {"models": [list(pair), STRONG], "samples": 2, "threshold": 1.0}
    right = escalated = 0
    for row in rows:
        answer = await asked(spine, row, options)
        right += answer.text == row.answer
        escalated += answer.model == STRONG
        spine.events.clear()
    return right, escalated


def _print(who: str, right: int, n: int, escalated: int | None = None) -> None:
    share = proportion(right, n)
    up = "" if escalated is None else f"{escalated / n:.1%}"
    print(f"| {who} | {n} | {share.estimate:.3f} | {share.low:.3f} to {share.high:.3f} | {up} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth question")
    options = parser.parse_args()
    asyncio.run(_main(options.folder, options.every))


if __name__ == "__main__":
    main()
