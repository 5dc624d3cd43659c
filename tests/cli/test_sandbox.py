"""`perpend sandbox`: a program's streams and status, or one object."""

import json
from pathlib import Path

import pytest
from commands import run
from sandbox.sandboxes import NAMES, wrong

pytestmark = pytest.mark.skipif(all(wrong(name) for name in NAMES), reason="no sandbox works here")


def test_streams_and_status(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import sys\nprint(input())\nprint('oops', file=sys.stderr)\nsys.exit(3)"
    )
    (tmp_path / "input.txt").write_text("hello\n")
    done = run(tmp_path, "sandbox", "program.py", "--stdin", "input.txt")
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello\n", "oops\n")


def test_json(tmp_path: Path) -> None:
    done = run(tmp_path, "sandbox", "-", "--wall-s", "0.5", "--json", stdin="print('on')\nwhile True: pass")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "stdout": "on\n",
        "stderr": "",
        "exit_code": 137,
        "timed_out": True,
        "killed_by": "wall",
    }


def test_why_it_was_killed(tmp_path: Path) -> None:
    done = run(
        tmp_path, "sandbox", "-", "--memory-mb", "64", stdin="kept = []\nwhile True: kept.append(' ' * 99999)"
    )
    assert done.returncode == 137
    assert "ended by memory after" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("nowhere.py",), "No such file"), (("-", "--wall-s", "0"), "wall_s must be more than 0")],
)
def test_bad_use(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, "sandbox", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
