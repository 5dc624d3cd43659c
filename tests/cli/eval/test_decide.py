"""An application's evaluation, end to end: a judge for each question, prompts × models × efforts, one report."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from aiohttp import web
from commands import run
from fake_server import serving
from wire_server import Server, chat_bodies

from perpend.cli.eval.settings import Axes, ThinkingAmount
from perpend.cli.named import text_of
from perpend.errors import NotFound
from perpend.evals.reports.report import read

QUESTIONS = 30


@pytest.fixture
def server() -> Server:
    """Says the same to everybody."""
    return Server(chat_bodies("Yes, it is 3."))


@pytest.fixture
async def home(tmp_path: Path, server: Server) -> AsyncGenerator[Path, None]:
    """Two models of one server, one of which judges too."""
    app = web.Application()
    app.router.add_post("/{path:.*}", server.answer)
    (tmp_path / "short.txt").write_text("Be short.")
    (tmp_path / "long.txt").write_text("Say all that you know.")
    rows = [
        {
            "input": f"Add {n} and {n + 3}.",
            "verifier": {"name": "judge", "rubric": f"It says {2 * n + 3}.", "model": "one"},
        }
        for n in range(QUESTIONS)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    async with serving(app) as url:
        models = "".join(f'[models.{name}]\nprovider = "here"\nname = "qwen3"\n' for name in ("one", "two"))
        config = f'[defaults]\nmodel = "one"\n[providers.here]\nbase_url = "{url}"\n{models}'
        (tmp_path / "perpend.toml").write_text(config)
        yield tmp_path


async def test_one_command_asks_every_setting_and_reports_the_wrong_answers(home: Path) -> None:
    settings = ("--model", "one", "two", "--system", "short.txt", "long.txt", "--efforts", "none", "low")
    done = await asyncio.to_thread(
        run, home, "eval", "decide", "mine.jsonl", *settings, "--out", "grid", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    names = {f"{m}-{e}-{s}" for m in ("one", "two") for e in ("none", "low") for s in ("short", "long")}
    assert set(told["settings"]) == names
    assert {one["n"] for one in told["settings"].values()} == {QUESTIONS}
    assert told["recommended"] in names
    report = (home / told["report"]).read_text()
    for name in names:
        held = read(home / "grid" / name, name)
        assert held.header.settings.system in ("Be short.", "Say all that you know.")
        assert len(held.samples) == QUESTIONS
        assert all(sample.verdict for sample in held.samples), "each was judged"
        assert name in report
        for sample in held.wrong[:3]:
            assert sample.answer.splitlines()[0] in report


async def test_strategies_and_budgets_are_settings_too(home: Path) -> None:
    settings = ("--strategies", "single", "self_consistency", "--budgets", "8", "16", "--limit", "3")
    done = await asyncio.to_thread(run, home, "eval", "decide", "mine.jsonl", *settings, "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["settings"]) == {
        f"default-{tokens}-{strategy}" for tokens in (8, 16) for strategy in ("single", "self_consistency")
    }


def test_settings_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one name in two folders, and texts that look like files' names, don't share a folder."""
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "system.txt").write_text(folder)
    (tmp_path / "short.md").write_text("Be short.")
    systems = ("a/system.txt", "b/system.txt", "short.md", "Round to 3.14 or so.")
    axes = Axes((), systems, ("single",), (ThinkingAmount("low"),))
    names = [axes.name(setting) for group in axes.groups() for setting in group]
    assert names == [f"default-low-{system}" for system in ("system1", "system2", "short", "system4")]
    with pytest.raises(NotFound, match=r"shrot\.md"):
        text_of("shrot.md")


def test_an_unknown_verifier_is_told_before_anything_is_asked(home: Path, server: Server) -> None:
    (home / "mine.jsonl").write_text('{"question": "?", "gold": "3", "verifier": "maths"}')
    done = run(home, "eval", "run", "mine.jsonl", "--model", "one")
    assert (done.returncode, "unknown verifier 'maths'" in done.stderr) == (2, True)
    assert not server.asked
