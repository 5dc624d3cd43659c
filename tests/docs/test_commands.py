"""The commands that README, guides and help show: each can be read, and the cheap ones of the README run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import run
from cyclopts import CycloptsError

import perpend
from perpend.cli.main import app

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
COMMAND_LINE = Path(perpend.__file__).parent / "cli"
HELP_EXAMPLES = r"^    Examples?:(.*?)^    (?:Parameters|\"\"\")|\bSuch as (.*?)\.['\"]"
NEEDS_AN_EXTRA = {r"\bgym\b": "evals", r"\.html\b|--plot": "bench", "--on ray": "ray"}
NOT_RUN = {
    r"ask(?!.*--model tiny)": "a model of a gigabyte",
    "serve|launch": "it goes on until it is stopped",
    "doctor": "it wants the default model",
    "calibrate": "minutes of thinking",
    "replay DIR|eval report": "it reads what somebody else has made",
    "eval pull|eval run gsm8k": "it fetches",
}
"""Commands of the README, and why they aren't tried here."""


def shown(file: Path) -> Iterator[str]:
    """Lines of shell blocks; of help, its examples."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        for found in re.finditer(HELP_EXAMPLES, text, re.DOTALL | re.MULTILINE):
            yield from (" ".join(span.split()) for span in re.findall(r"`(.+?)`", found[0], re.DOTALL))
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.replace("\\\n", " ").splitlines()


def commands(file: Path) -> list[str]:
    """What comes after `perpend`, in each part of a line that begins so."""
    found: list[str] = []
    for line in shown(file):
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words:
            end = next((at for at, word in enumerate(words) if word in ("&&", "|", ">")), len(words))
            part, words = words[:end], words[end + 1 :]
            while part and re.fullmatch(r"[A-Z_0-9]+=.*", part[0]):
                part = part[1:]
            if part and part[0] in ("perpend", "./perpend"):
                found.append(shlex.join(part[1:]))
    return found


FILES = [README, *sorted((ROOT / "docs/guides").glob("*.md")), *sorted(COMMAND_LINE.rglob("*.py"))]
SHOWN = [(file.name, command) for file in FILES for command in commands(file)]
AT_FIRST = [
    (name, command) for name, command in SHOWN if name.endswith(".py") or name == README.name
]  # what somebody tries who has read no guide
TRIED = [one for one in commands(README) if not any(re.match(skipped, one) for skipped in NOT_RUN)]


def test_there_are_commands() -> None:
    assert len(SHOWN) > 80
    assert len(TRIED) > 6


@pytest.mark.parametrize(("file", "command"), SHOWN)
def test_a_command_that_is_shown_can_be_read(
    file: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "perpend.toml").touch()  # --config names it
    try:
        app.parse_args(shlex.split(command), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        pytest.fail(f"{file} shows `perpend {command}`: {error}")


@pytest.mark.parametrize(("file", "command"), AT_FIRST)
def test_what_is_shown_first_needs_nothing_that_isnt_in_the_default_set_up(file: str, command: str) -> None:
    needed = [extra for pattern, extra in NEEDS_AN_EXTRA.items() if re.search(pattern, command)]
    assert not needed, f"{file} shows `perpend {command}`, which needs {needed}"


@pytest.mark.parametrize("command", TRIED)
def test_a_cheap_command_of_the_readme_works(command: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("print('hi')")
    done = run(tmp_path, *shlex.split(command))
    assert done.returncode == 0, done.stderr


def test_the_first_example_of_a_run_works(tmp_path: Path) -> None:
    for command in commands(COMMAND_LINE / "eval" / "run.py")[:2]:
        done = run(tmp_path, *shlex.split(command))
        assert done.returncode == 0, done.stderr
