"""A hint to install something works where it's printed: for the interpreter that missed it."""

import shlex
import subprocess
from pathlib import Path

import perpend
from perpend.extras import install


def test_the_command_reaches_this_environment() -> None:
    """As it's printed, by a shell; `test` has what the extra wants, so that nothing is fetched."""
    command = f"{install('perpend[schema]')} --dry-run --no-index --disable-pip-version-check"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "already satisfied: perpend[schema]" in done.stdout


def test_words_of_a_shell_are_quoted() -> None:
    assert shlex.split(install("perpend[math]", "a b"))[-3:] == ["install", "perpend[math]", "a b"]


def test_every_hint_is_made_here() -> None:
    folder = Path(perpend.__file__).parent
    own = [path for path in folder.rglob("*.py") if path.name != "extras.py"]
    assert not [path for path in own if "pip install" in path.read_text(encoding="utf-8")]
