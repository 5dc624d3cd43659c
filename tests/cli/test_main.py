"""The command itself: what it lists, what it makes of trouble, and its exit status."""

import os
from pathlib import Path

import pytest
from commands import run

from perpend.cli.main import main


def test_help_lists_each_command_with_what_it_does(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    for words in ("ask          Ask a question.", "doctor       Check", "usage        Show what was used"):
        assert words in done.stdout


@pytest.mark.parametrize("arguments", [("eval",), ("eval", "--help"), ("keys", "-h")])
def test_help_of_a_group_does_too(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    listed = {"eval": "audit    Perturb a model's traces", "keys": "create  Make a key"}
    assert listed[arguments[0]] in run(tmp_path, *arguments).stdout


@pytest.mark.parametrize("arguments", [("usage",), ("keys", "list"), ("ask", "hi"), ("serve", "--port", "0")])
def test_a_home_that_cant_be_made_is_said_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path, *arguments, PERPEND_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_with_spaces(tmp_path: Path) -> None:
    home = tmp_path / "my home"
    home.mkdir()
    made = run(home, "keys", "create", "laptop")
    assert made.returncode == 0, made.stderr
    assert (home / "perpend.db").exists()


def test_a_terminal_without_the_letters_for_it(tmp_path: Path) -> None:
    (tmp_path / "perpend.toml").write_text("[serve]\nprot = 1\n")
    done = run(tmp_path, "doctor", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert "? Python" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "hi", "--model", "nope"),
        ("ask", "hi", "--model", "nope/x"),
        ("ask", "hi", "--strategy", "nope"),
        ("models", "show", "nope"),
        ("models", "rm", "nope"),
        ("eval", "run", "nope"),
        ("eval", "run", "nope.jsonl"),
        ("eval", "report", "nope"),
        ("verify", "nope", "--gold", "1", "--answer", "1"),
        ("keys", "revoke", "nope"),
        ("sandbox", "nope.py"),
        ("serve", "--port", "99999"),
        ("usage", "--by", "nope"),
        ("ask", "hi", "--effort", "nope"),
        ("nope",),
    ],
)
def test_what_is_typed_wrong_is_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["perpend", *arguments])
    with open(os.devnull) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    assert "fetching" not in capsys.readouterr().err, "it's told before anything is tried"


def test_what_fails_is_status_1(tmp_path: Path) -> None:
    failing = ("ask", "hi", "--model", "openai/gpt-5")  # there is no key
    assert run(tmp_path, *failing).returncode == 1
    assert run(tmp_path, "verify", "exact", "--gold", "1", "--answer", "2").returncode == 1
