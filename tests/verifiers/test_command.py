"""A command of the user's is a verifier: JSON on stdin, JSON or an exit status back."""

import asyncio
import sys
from pathlib import Path

import pytest

from perpend.errors import VerifierFailed
from perpend.types import Candidate, Verdict
from perpend.verifiers import Task
from perpend.verifiers.command import Command


async def verdict(*command: str, answer: str = "7", timeout_s: float = 20.0) -> Verdict:
    task = Task(question="What is 3 + 4?", gold="7")
    return await Command("mine", command, timeout_s=timeout_s).verify(task, Candidate(answer=answer))


def python(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


READ = "import json, sys; given = json.load(sys.stdin); "


async def test_it_prints_a_verdict() -> None:
    said = "{'score': 0.5 * (given['answer'] == given['gold']), 'feedback': given['question']}"
    grade = f"{READ}print(json.dumps({said}))"
    assert await verdict(*python(grade)) == Verdict(0.5, True, "What is 3 + 4?")
    assert await verdict(*python(grade), answer="8") == Verdict(0.0, False, "What is 3 + 4?")


async def test_or_exits_with_what_it_means() -> None:
    check = f"{READ}print('not it'); sys.exit(given['answer'] != given['gold'])"
    assert await verdict(*python(check)) == Verdict(1.0, True)
    assert await verdict(*python(check), answer="8") == Verdict(0.0, False, "not it")


async def test_it_need_not_read() -> None:
    assert (await verdict("true", answer="x" * 1_000_000)).passed
    assert not (await verdict("false")).passed


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("./nowhere.sh",), "can't start"),
        (python("import sys; sys.exit('out of order')"), "didn't pass it"),
        (python("import sys; print('oh', file=sys.stderr); sys.exit(3)"), "ended with status 3: oh"),
        (python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), "ended with status -9"),
        (python("print('{')"), "said what is no verdict"),
        (python("print('{\"score\": 7}')"), "the score 7 isn't from 0 to 1"),
    ],
)
async def test_one_that_fails_says_how(command: tuple[str, ...], said: str) -> None:
    if "didn't pass" in said:
        assert said in (await verdict(*command)).feedback
        return
    with pytest.raises(VerifierFailed, match=said):
        await verdict(*command)


async def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    left = tmp_path / "left"
    hangs = (
        f"import subprocess, time; subprocess.Popen(['sh', '-c', 'sleep 1; touch {left}']); time.sleep(60)"
    )
    with pytest.raises(VerifierFailed, match="took longer than"):
        await verdict(*python(hangs), timeout_s=1.0)
    await asyncio.sleep(1.5)
    assert not left.exists()


async def test_what_floods_is_read_to_its_end() -> None:
    assert (await verdict(*python("print('x' * 5_000_000)"))).passed
