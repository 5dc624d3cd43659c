"""Verifiers that a user might have written."""

import asyncio
import time
from typing import Any

from perpend.types import Verdict


def short(answer: str) -> bool:
    return len(answer) < 10


async def close(answer: str, gold: str | None) -> float:
    await asyncio.sleep(0)
    return 1 / (1 + abs(int(answer) - int(gold or 0)))


def told(question: str, answer: str, thinking: str, gold: str | None) -> dict[str, Any]:
    return {"score": 0.25, "feedback": "|".join((question, answer, thinking, str(gold)))}


def whole(answer: str, least: float = 0.5) -> Verdict:
    return Verdict(least, passed=True)


def broken(answer: str) -> bool:
    raise ZeroDivisionError(answer)


def wordy() -> str:
    return "fine by me"


def slow() -> bool:
    time.sleep(0.3)
    return True


def other(candidate: str) -> bool:
    return bool(candidate)
