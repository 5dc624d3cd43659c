"""A Python function of the user's is a verifier."""

import sys
from pathlib import Path

import pytest

from perpend.errors import ConfigError, VerifierFailed
from perpend.types import Candidate, Verdict
from perpend.verifiers import Task
from perpend.verifiers.function import PythonFunction


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent), *sys.path])
    monkeypatch.delitem(sys.modules, "own", raising=False)


async def verdict(path: str, answer: str, gold: str | None = None, timeout_s: float = 5.0) -> Verdict:
    verifier = PythonFunction("mine", path, timeout_s=timeout_s)
    return await verifier.verify(Task(question="q", gold=gold), Candidate(answer=answer, thinking="t"))


async def test_it_says_whether_it_passed() -> None:
    assert await verdict("own:short", "brief") == Verdict(1.0, True)
    assert await verdict("own:short", "by no means brief") == Verdict(0.0, False, "mine didn't pass it")


async def test_or_how_good_it_is() -> None:
    assert await verdict("own:close", "7", gold="7") == Verdict(1.0, True)
    assert await verdict("own:close", "9", gold="6") == Verdict(0.25, False, "mine didn't pass it")


async def test_or_both_with_feedback() -> None:
    assert await verdict("own:told", "a", gold="g") == Verdict(0.25, False, "q|a|t|g")
    assert await verdict("own:whole", "a") == Verdict(0.5, True)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("own:broken", "'mine' raised ZeroDivisionError: a"),
        ("own:wordy", "'mine' said what is no verdict"),
        ("own:slow", "'mine' took longer than 0.1 s"),
    ],
)
async def test_one_that_fails_says_how(path: str, said: str) -> None:
    with pytest.raises(VerifierFailed, match=said):
        await verdict(path, "a", timeout_s=0.1)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere:short", "No module named 'nowhere'"),
        ("own:missing", "has no attribute 'missing'"),
        ("own", "can't be imported"),
        ("own:other", "takes candidate, which nobody gives it"),
    ],
)
def test_one_that_cannot_be_called_is_refused(path: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        PythonFunction("mine", path, timeout_s=1.0)
    assert refused.value.field == "verifiers.mine.function"
