"""`perpend ask` as a person runs it, with a real small model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHAIN = "Start at 7: +5 *3 -4 +2 *7. Last digit?"
PERPEND = [sys.executable, "-m", "perpend"]


@pytest.fixture
def home(tiny_path: Path, tmp_path: Path) -> Path:
    (tmp_path / "perpend.toml").write_text(
        f'[defaults]\nmodel = "small"\ncheap_model = "small"\n[models.small]\ngguf = "{tiny_path}"\n'
        'family = "tiny"\n[engine]\nslots = 1\ncontext = 1024\n'
    )
    return tmp_path


def run(home: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PERPEND_HOME": str(home), "NO_COLOR": "1"}
    return subprocess.run(
        [*PERPEND, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        cwd=home,
        timeout=120,
        check=False,
    )


def test_budget_and_deadline_hold_and_json_is_a_completion(home: Path) -> None:
    done = run(home, "ask", CHAIN, "--max-thinking-tokens", "16", "--deadline", "20s", "--json")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] <= 16
    assert body["perpend"]["budget"]["effective_thinking_tokens"] == 16
    assert body["choices"][0]["message"]["content"]
    usage = run(home, "usage", "--json")
    assert usage.returncode == 0, usage.stderr


def test_the_answer_is_on_stdout_and_the_closing_line_on_stderr(home: Path) -> None:
    done = run(home, "ask", "--no-thinking", "--max-tokens", "8", stdin=CHAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "thought 0 tok" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["ask", "x", "--no-such-option"], 2, "no-such-option"),
        (["ask", "x", "--model", "smal"], 1, "did you mean 'small'"),
        (["ask", "x", "--strategy", "singel"], 1, "did you mean 'single'"),
        (["ask", "x", "--deadline", "soon"], 1, "--deadline"),
        (["models", "show", "qwen2.5-coder-1.5"], 1, "did you mean"),
    ],
)
def test_bad_use_is_told_with_its_fix(home: Path, arguments: list[str], status: int, said: str) -> None:
    done = run(home, *arguments)
    assert done.returncode == status
    assert said in done.stderr + done.stdout
