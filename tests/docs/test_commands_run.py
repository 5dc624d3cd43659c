"""The commands that pages show are run, a page's in their order in one folder, with the tiny model under every name."""

import gzip
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import environment
from docs.command_server import ERR
from docs.shown import TOLD, commands, here_documents
from docs.tiny_everywhere import tiny_everywhere

Shell = Callable[[Path, list[str]], int]
RUNS = ("b", "single", "new", "released", "theirs", "ours", "support/qwen2.5-coder-1.5b-none-short")
PENS = {
    "question": "Tom has 17 pens and buys 25 more. How many pens does Tom have?",
    "answer": "42",
    "solution": "Tom has 17+25=<<17+25=42>>42 pens.",
}

NOT_RUN = {
    r"serve\b": "it goes on until it is stopped: test_snippets asks one",
    r"launch\b": "it runs somebody else's program: tests/cli/launch runs it with stand-ins",
    r"train\b": "it takes an hour, and torch: tests/training runs a small one",
    r"replay DIR": "DIR stands for a recording: tests/cli/test_replay runs it with real ones",
    r"(eval|models) pull\b": "it fetches: test_pull of tests/evals/suites and tests/engine does, from a server",
    r"ask --model hf:": "it fetches",
    r"ask --model (vertex|bedrock)/": "it wants a cloud's account: tests/transport runs it with stand-ins",
    r"eval check gym|eval run .*--on ray|eval export .*inspect": "it needs an extra that not every machine has",
    r"eval run .*--target": "it asks a running gateway: test_snippets runs it with one",
    r"calibrate tiny$": "it asks dozens of times: the guide's shorter one runs",
    r"eval audit .*--rewards": "its prompts need more context than the tiny model has: tests/cli/eval/test_audit",
    r"eval decide support": "tests/cli/eval/test_decide runs the same with thirty questions",
    r"eval import": "it reads another harness's log: tests/evals/interop reads real ones",
}
"""Commands that aren't run here, and why; each can be read (test_commands)."""
FAILS = (r"verify numbers .*= 381", r"verify code .*n \+ n", r"eval gate .*--min-accuracy 0.8")
"""Commands that say that something is wrong, also of what the tiny model answers: their exit status is 1."""


@pytest.fixture(scope="module")
def shell(engine_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Runs a command in a folder, which is its home and has what the pages speak of."""
    server = Path(__file__).with_name("command_server.py")
    home = tmp_path_factory.mktemp("server")
    with subprocess.Popen(
        [sys.executable, str(server)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(home, COLUMNS="120"),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sent, said = process.stdin, process.stdout

        def run(folder: Path, words: list[str]) -> int:
            own = {"PERPEND_HOME": str(folder), "PERPEND_DATA": str(folder)}
            sent.write(json.dumps({"words": words, "folder": str(folder), "environment": own}) + "\n")
            sent.flush()
            return int(said.readline())

        yield run
        sent.close()


@pytest.fixture(scope="module")
def stage(shell: Shell, engine_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages name."""
    folder = tmp_path_factory.mktemp("stage")
    (folder / "perpend.toml").write_text(tiny_everywhere(engine_url))
    (folder / "program.py").write_text("print('hi')\n")
    (folder / "input.txt").write_text("12\n")
    (folder / "short.txt").write_text("Be short.")
    (folder / "long.txt").write_text("Be thorough.")
    with gzip.open(folder / "corpus.txt.gz", "wt") as corpus:
        corpus.write("Nothing of it is known.\n")
    written = {
        "mine": [{"question": "17 + 25 = ?", "gold": "42"}],
        "rows": [{"gold": "4", "pred": "It is 4."}],
        "labelled": [{"question": "?", "pred": text, "label": text == "4"} for text in ("4", "5", "6", "4")],
        "samples": [{"problem": str(n), "correct": n > 1} for n in range(4)],
        "new": [{"problem": str(n), "correct": True} for n in range(4)],
        "old": [{"problem": str(n), "correct": n > 1} for n in range(4)],
        "train": [{"question": "A training question.", "answer": "4"}],
        "gsm8k_test": [PENS],
    }
    for name, rows in written.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert shell(folder, ["eval", "run", "gsm8k", "--max-thinking-tokens", "32", "--out", "runs/one"]) == 0
    for name in RUNS:
        shutil.copytree(folder / "runs/one", folder / "runs" / name)
    return folder


@pytest.mark.parametrize("page", [page for page in TOLD if commands(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_work(page: Path, shell: Shell, stage: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(stage, home)
    for name, text in here_documents(page).items():
        (home / name).write_text(text)
    for command in commands(page):
        if not any(re.match(pattern, command) for pattern in NOT_RUN):
            status = shell(home, shlex.split(command))
            expected = int(any(re.match(pattern, command) for pattern in FAILS))
            assert status == expected, f"`perpend {command}` ends with {status}: {(home / ERR).read_text()}"


def test_what_is_not_run_is_still_shown() -> None:
    shown = [command for page in TOLD for command in commands(page)]
    assert not [pattern for pattern in (*NOT_RUN, *FAILS) if not any(re.match(pattern, one) for one in shown)]
