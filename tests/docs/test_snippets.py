"""What pages show beside commands: requests and programs run against a gateway, JSON is what it claims to be."""

import ast
import asyncio
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from commands import run
from docs.shown import DOCS, ROOT, TOLD, commands, lines, of_language, parts
from docs.tiny_everywhere import tiny_everywhere
from gateway import Gateway, running

from perpend.serving.dialects.openai_chat_schema import ChatCompletion
from perpend.strategies import strategies, strategy_spec, with_options
from perpend.types import BudgetReport, PerpendReport

THERE = "http://127.0.0.1:8080"
"""Where pages say that the gateway is."""
ANSWERS = DOCS / "concepts/answers.md"
PYTHON = [(page.name, text) for page in TOLD for text in of_language(page, "python")]


@pytest.fixture(scope="module")
def front(engine_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose models are the tiny one under the names of the pages."""
    home = tmp_path_factory.mktemp("front")
    (home / "perpend.toml").write_text(tiny_everywhere(engine_url))
    with running(home) as gateway:
        yield gateway


def requests() -> list[list[str]]:
    return [part for page in TOLD for line in lines(page) for part in parts(line) if part[0] == "curl"]


def test_a_request_is_answered(front: Gateway) -> None:
    assert requests()
    if not shutil.which("curl"):
        pytest.skip("curl isn't here")
    for words in requests():
        command = [word.replace(THERE, front.url) for word in words]
        done = subprocess.run([*command, "--silent"], capture_output=True, check=False)
        answer = msgspec.json.decode(done.stdout, type=ChatCompletion)
        budget = answer.perpend.budget
        assert budget.thinking_tokens_used <= budget.effective_thinking_tokens, shlex.join(words)


def test_a_command_that_asks_a_gateway_works(front: Gateway, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"question": "17 + 25 = ?", "gold": "42"}\n')
    asking = [command for page in TOLD for command in commands(page) if THERE in command]
    assert asking
    for command in asking:
        done = run(tmp_path, *shlex.split(command.replace(THERE, front.url)))
        assert done.returncode == 0, done.stderr


def test_the_program_of_the_readme_runs(front: Gateway) -> None:
    (program,) = of_language(ROOT / "README.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", program.replace(THERE, front.url)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    _, tokens = done.stdout.rsplit(maxsplit=1)
    assert 0 < int(tokens) <= 64


async def test_the_program_of_the_sandbox_runs(capfd: pytest.CaptureFixture[str]) -> None:
    (program,) = of_language(DOCS / "guides/sandbox.md", "python")
    code = compile(program, "sandbox.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running_ = eval(code, {})
    assert asyncio.iscoroutine(running_)
    await running_
    assert capfd.readouterr().out == "144\n 0 False None\n"


@pytest.mark.parametrize(("page", "program"), PYTHON)
def test_a_program_is_one(page: str, program: str) -> None:
    """Those of the clients' guide run in benchmarks.clients, with what they import."""
    compile(program, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("text", of_language(DOCS / "guides/strategies.md", "json"))
def test_a_strategy_is_one_with_options_that_it_has(text: str) -> None:
    spec = strategy_spec(json.loads(text))
    assert spec.name in strategies.names()
    with_options(spec)


def test_json_is_json() -> None:
    for page in TOLD:
        for text in of_language(page, "json"):
            json.loads(text)


def test_the_report_that_is_shown_has_all_fields() -> None:
    (shown,) = of_language(ANSWERS, "json")
    assert list(json.loads(shown)) == [field.encode_name for field in msgspec.structs.fields(PerpendReport)]
    msgspec.convert(json.loads(shown), PerpendReport)
    (budget,) = of_language(DOCS / "concepts/budgets.md", "json")
    assert list(json.loads(budget)) == [field.encode_name for field in msgspec.structs.fields(BudgetReport)]


def test_each_field_of_the_report_is_explained() -> None:
    text = ANSWERS.read_text(encoding="utf-8")
    for field in msgspec.structs.fields(PerpendReport):
        assert f"`{field.name}`" in text.partition("| field |")[2]


def test_each_stop_reason_is_explained() -> None:
    reasons: tuple[Any, ...] = next(
        field.type.__args__ for field in msgspec.structs.fields(PerpendReport) if field.name == "stop_reason"
    )
    text = ANSWERS.read_text(encoding="utf-8").partition("## Stop reasons")[2]
    assert not [reason for reason in reasons if f"`{reason}`" not in text]
