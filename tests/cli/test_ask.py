"""`perpend ask` as a person runs it, with a real small model."""

import fcntl
import io
import json
import os
import signal
import sqlite3
import subprocess
import termios
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer

import pytest
from commands import PERPEND, environment, run

from perpend.cli import ask as command
from perpend.errors import BadRequest

LONG = (
    "--max-thinking-tokens",
    "3000",
    "--strategy",
    '{"name": "budget_forcing", "waits": 64}',
    "--seed",
    "1",
)
"""Thinks for far longer than a test waits."""


@pytest.fixture
def home(smollm_path: Path, tmp_path: Path) -> Path:
    (tmp_path / "perpend.toml").write_text(
        f'[defaults]\nmodel = "small"\ncheap_model = "small"\n[models.small]\ngguf = {json.dumps(str(smollm_path))}\n'
        'family = "smollm2"\nanswer_tokens = 32\n[engine]\nslots = 1\ncontext = 4096\n'
    )
    return tmp_path


def ledger(home: Path) -> list[tuple[str, str | None]]:
    """Status and stop reason of each row."""
    with closing(sqlite3.connect(home / "perpend.db")) as store:
        return store.execute("select status, stop_reason from requests").fetchall()


def test_budget_and_deadline_hold_and_json_is_a_completion(home: Path) -> None:
    done = run(home, "ask", "Count to ten.", "--max-thinking-tokens", "16", "--deadline", "20s", "--json")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] <= 16
    assert body["perpend"]["budget"]["effective_thinking_tokens"] == 16
    assert body["choices"][0]["message"]["content"]
    usage = run(home, "usage", "--json")
    assert json.loads(usage.stdout)["total"]["requests"] == 1


def test_the_answer_is_on_stdout_and_the_closing_line_on_stderr(home: Path) -> None:
    done = run(home, "ask", "--no-thinking", "--max-tokens", "8", stdin="Say hello.")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "thought 0 tok" in done.stderr


def test_an_answer_that_is_chosen_late_is_printed_all_the_same(home: Path) -> None:
    options = ("--model", "tiny", "--strategy", "refine", "--verifier", '{"name": "exact", "gold": "154"}')
    done = run(home, "ask", "Add 71 and 83.", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "154"
    assert "1+3=4" in done.stderr


WRONG = ("--model", "tiny", "--verifier", '{"name": "exact", "gold": "a lot"}')
"""Whatever it answers isn't that."""


def test_a_failed_verification_is_said(home: Path) -> None:
    done = run(home, "ask", "Add 71 and 83.", *WRONG)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "failed verification" in done.stderr


def test_an_answer_that_must_pass_and_fails_is_a_failure(home: Path) -> None:
    done = run(home, "ask", "Add 71 and 83.", *WRONG, "--must-pass", "--json")
    assert done.returncode == 1, done.stderr
    own = json.loads(done.stdout)["perpend"]
    assert own["verdict"]["passed"] is False
    assert [(one["chosen"], one["verdict"]) for one in own["candidates"]] == [(True, own["verdict"])]


def test_hidden_thinking_is_nowhere_in_json(home: Path) -> None:
    options = ("--visibility", "hidden", "--json", "--max-thinking-tokens", "8", "--max-tokens", "16")
    done = run(home, "ask", "Count to ten.", *options)
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert not body["choices"][0]["message"].get("reasoning_content")
    assert [line for line in done.stderr.splitlines() if line and not line.startswith("thought ")] == []


def test_a_reader_that_goes_away_is_no_failure(home: Path) -> None:
    script = '"$@" | head -c1; exit "${PIPESTATUS[0]}"'
    asked = [*PERPEND, "ask", "--no-thinking", "Tell a long story.", "--max-tokens", "400", "--seed", "1"]
    done = subprocess.run(
        ["bash", "-c", script, "bash", *asked],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(home),
        cwd=home,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 1
    assert "Traceback" not in done.stderr
    assert ledger(home) == [("cancelled", "cancelled")]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["ask", "x", "--no-such-option"], 2, "no-such-option"),
        (["ask", "x", "--model", "smal"], 2, "did you mean 'small'"),
        (["ask", "x", "--strategy", "singel"], 2, "did you mean 'single'"),
        (["ask", "x", "--deadline", "soon"], 2, "--deadline"),
        (["ask", "x", "--max-cost", "lots"], 2, "--max-cost"),
        (["ask", "x", "--max-thinking-tokens", "-1"], 2, "--max-thinking-tokens"),
        (["ask", "x", "--max-thinking-tokens", "1.5"], 2, "--max-thinking-tokens"),
        (["ask", "x", "--strategy", "{"], 2, "--strategy"),
        (["ask", "x", "--must-pass"], 2, "--must-pass"),
        (["ask", "x", "--verifier", "exakt"], 2, "did you mean 'exact'"),
        (["ask"], 2, "no question"),
        (["serve", "--port", "99999"], 2, "at most 65535"),
        (["usage", "--by", "modle"], 2, "'model'"),
        (["ask", "\udcff"], 2, "isn't UTF-8"),
        (["models", "pull", "qwen2.5-coder-1.5"], 2, "did you mean"),
        (["aks", "x"], 2, "ask"),
    ],
)
def test_bad_use_is_told_with_its_fix(home: Path, arguments: list[str], status: int, said: str) -> None:
    done = run(home, *arguments)
    assert done.returncode == status
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


class TestInterrupt:
    """Ctrl-C on a terminal, and SIGINT from elsewhere."""

    def test_the_first_answers_now(self, home: Path) -> None:
        with Terminal.running(home, "ask", "Count to a thousand.", *LONG) as terminal:
            terminal.wait_for_thinking()
            assert "\x1b[2m" in terminal.seen()
            terminal.press_ctrl_c()
            assert terminal.process.wait(timeout=120) == 0
            assert "answering now" in terminal.seen()
            assert "truncated: answer_now" in terminal.seen()
        assert ledger(home) == [("finished", "answer_now")]

    def test_the_second_stops(self, home: Path) -> None:
        question = ("ask", "Write a very long story.", *LONG)
        with Terminal.running(home, *question, NO_COLOR="1") as terminal:
            terminal.wait_for_thinking()
            terminal.press_ctrl_c()
            terminal.wait_for("answering now")
            terminal.press_ctrl_c()
            assert terminal.process.wait(timeout=120) == 130
            assert "stopped" in terminal.seen()
            assert "\x1b[" not in terminal.seen()
        assert ledger(home) == [("cancelled", "cancelled")]

    def test_without_a_terminal(self, home: Path) -> None:
        asked = [*PERPEND, "ask", "Count to a thousand.", *LONG]
        with subprocess.Popen(
            asked,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(home),
            cwd=home,
        ) as process:
            assert process.stderr is not None
            first = process.stderr.read(1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, first + err
        assert b"truncated: answer_now" in err
        assert out.strip()


class TestQuestion:
    @pytest.mark.parametrize(
        ("words", "piped", "question"),
        [
            (("Review", "this"), "a\nb\n", "Review this\n\na\nb"),
            ((), "What is 2 + 3?\n", "What is 2 + 3?"),
            (("Hello", "-"), "", "Hello"),
            (("Hello",), "grüße", "Hello\n\ngrüße"),
        ],
    )
    def test_what_is_piped_comes_after_what_is_said(
        self, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], piped: str, question: str
    ) -> None:
        with stdin(monkeypatch, piped.encode()):
            assert command.question_of(words) == question

    def test_bytes_that_are_no_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with stdin(monkeypatch, b"\xff\xfe"), pytest.raises(BadRequest, match="isn't UTF-8"):
            command.question_of(("Hello",))

    def test_no_stdin_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", None)
        assert command.question_of(("Hello",)) == "Hello"
        with pytest.raises(BadRequest, match="no question"):
            command.question_of(())

    def test_a_pipe_that_stays_open_is_said_to_be_waited_for(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(command, "PATIENCE_S", 0.01)
        reading, writing = os.pipe()
        with open(reading) as source, open(writing, "wb") as sink:
            monkeypatch.setattr("sys.stdin", source)
            Timer(0.2, sink.close).start()
            assert command.question_of(("Hello",)) == "Hello"
        assert "waiting for the rest" in capsys.readouterr().err


@contextmanager
def stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> Generator[None, None, None]:
    """A pipe that holds `content`, in the place of stdin."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with io.TextIOWrapper(open(reading, "rb")) as source:
        monkeypatch.setattr("sys.stdin", source)
        yield


class Terminal:
    """A pseudo-terminal with `perpend` in its foreground."""

    def __init__(self, home: Path, *arguments: str, **more: str) -> None:
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        self._output = b""
        variables = environment(home, TERM="xterm", **more)
        if "NO_COLOR" not in more:
            del variables["NO_COLOR"]
        self.process = subprocess.Popen(
            [*PERPEND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=variables,
            cwd=home,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 -- no thread of ours runs
        )
        os.close(slave)

    @classmethod
    @contextmanager
    def running(cls, home: Path, *arguments: str, **more: str) -> Generator["Terminal", None, None]:
        terminal = cls(home, *arguments, **more)
        try:
            yield terminal
        finally:
            terminal.process.kill()
            terminal.process.wait()
            os.close(terminal._master)

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def seen(self) -> str:
        try:
            while block := os.read(self._master, 65536):
                self._output += block
        except (BlockingIOError, OSError):  # nothing now, or never again
            pass
        return self._output.decode(errors="replace")

    def wait_for_thinking(self) -> None:
        self._wait(lambda seen: len(seen.partition("loading small …\r\n")[2]) > 20)

    def wait_for(self, text: str) -> None:
        self._wait(lambda seen: text in seen)

    def _wait(self, true: Callable[[str], bool]) -> None:
        for _ in range(2400):
            if true(self.seen()):
                return
            assert self.process.poll() is None, self.seen()
            time.sleep(0.05)
        raise AssertionError(self.seen())
