"""The commands that pages and help show: each can be read, and the cheap ones of the README run on a fresh machine."""

import re
import shlex
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from commands import run
from cyclopts import App, CycloptsError
from docs.shown import MEASURED, ROOT, TOLD, blocks, commands, lines, mentioned, parts, spans

import perpend
from perpend.cli.main import app

README = ROOT / "README.md"
COMMAND_LINE = Path(perpend.__file__).parent / "cli"
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
OTHERS = {
    "git": "its own documentation",
    "lm_eval": "benchmarks.interop runs it",
    "inspect": "benchmarks.interop runs it",
    "curl": "test_snippets runs it",
}
"""Programs that aren't Perpend's, and who answers for how they are called."""

FILES = [*TOLD, *sorted(COMMAND_LINE.rglob("*.py"))]
SHOWN = [(file.name, command) for file in FILES for command in commands(file)]
MENTIONED = sorted({(page.name, command) for page in (*TOLD, *MEASURED) for command in mentioned(page)})
AT_FIRST = [
    (name, command) for name, command in SHOWN if name.endswith(".py") or name == README.name
]  # what somebody tries who has read no guide
TRIED = [one for one in commands(README) if not any(re.match(skipped, one) for skipped in NOT_RUN)]


def test_there_are_commands() -> None:
    assert len(SHOWN) > 100
    assert len(MENTIONED) > 50
    assert len(TRIED) > 6


def read(command: str) -> None:
    app.parse_args(shlex.split(command), exit_on_error=False, print_error=False)


def names_a_command(words: Iterable[str]) -> bool:
    at: App = app
    for word in words:
        if word not in at:
            return False
        at = at[word]
    return True


@pytest.fixture
def config_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config names it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "perpend.toml").touch()


@pytest.mark.usefixtures("config_is_there")
@pytest.mark.parametrize(("file", "command"), SHOWN)
def test_a_command_that_is_shown_can_be_read(file: str, command: str) -> None:
    try:
        read(command)
    except CycloptsError as error:
        pytest.fail(f"{file} shows `perpend {command}`: {error}")


@pytest.mark.usefixtures("config_is_there")
@pytest.mark.parametrize(("file", "command"), MENTIONED)
def test_a_command_that_a_text_mentions_is_one(file: str, command: str) -> None:
    if names_a_command(shlex.split(command)):
        return
    try:
        read(re.sub(r"\bN\b", "1", command))
    except CycloptsError as error:
        pytest.fail(f"{file} mentions `perpend {command}`: {error}")


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


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.name)
def test_a_block_says_what_language_it_is(page: Path) -> None:
    """One that doesn't would hide its commands."""
    assert not [block.text for block in blocks(page) if not block.language]


def other_commands(page: Path) -> list[list[str]]:
    """Those of its blocks and its text that aren't Perpend's."""
    beside = re.compile(r"(python -m|(\.venv/bin/)?pip|\./test|\.ci/)\b")
    found = [part for line in lines(page) for part in parts(line) if part[0] not in ("perpend", "./perpend")]
    return found + [shlex.split(span) for span in spans(page) if beside.match(span) and "…" not in span]


@pytest.mark.parametrize("page", [*TOLD, *MEASURED], ids=lambda page: page.name)
def test_any_other_command_is_there_and_has_its_options(page: Path) -> None:
    for words in other_commands(page):
        program = words[0].removeprefix(".venv/bin/")
        if words[:2] == ["python", "-m"]:
            has_options(words[2], words[3:])
        elif program == "pip":
            can_be_installed(words[2:])
        elif program.startswith("."):
            assert (ROOT / program).exists(), program
        else:
            assert program in OTHERS, f"{page.name} shows `{shlex.join(words)}`"


def has_options(module: str, words: list[str]) -> None:
    """The module's file names each option."""
    file = ROOT / Path(*module.split("."))
    source = "".join(
        one.read_text() for one in ([file.with_suffix(".py")] if not file.is_dir() else file.glob("*.py"))
    )
    missing = [word for word in words if word.startswith("--") and f'"{word}"' not in source]
    assert not missing, f"{module} has no {missing}"


def can_be_installed(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        if found := re.fullmatch(r"perpend\[(\w+)\]", word):
            assert found[1] in extras
        elif not word.startswith("-"):
            assert (ROOT / word).exists(), word
