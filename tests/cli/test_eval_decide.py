"""An application's evaluation, end to end: a judge for each question, prompts × models × efforts, one report."""

import json
from pathlib import Path

import pytest
from commands import run

from perpend.evals.report import read

QUESTIONS = 30


@pytest.fixture
def home(tmp_path: Path) -> Path:
    weights = Path(__file__).parents[2] / "src/perpend/engine/bundled/tiny/tiny.gguf"
    (tmp_path / "perpend.toml").write_text(
        f'[defaults]\nmodel = "tiny"\n[models.other]\ngguf = {json.dumps(str(weights))}\nfamily = "tiny"\n'
    )
    (tmp_path / "short.txt").write_text("Be short.")
    (tmp_path / "long.txt").write_text("Say all that you know.")
    rows = [
        {
            "input": f"Add {n} and {n + 3}.",
            "verifier": {"name": "judge", "rubric": f"It says {2 * n + 3}.", "model": "tiny"},
        }
        for n in range(QUESTIONS)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_one_command_asks_every_setting_and_reports_the_wrong_answers(home: Path) -> None:
    settings = ("--model", "tiny", "other", "--system", "short.txt", "long.txt", "--efforts", "none", "low")
    done = run(home, "eval", "decide", "mine.jsonl", *settings, "--out", "grid", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    names = {f"{m}-{e}-{s}" for m in ("tiny", "other") for e in ("none", "low") for s in ("short", "long")}
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


def test_strategies_and_budgets_are_settings_too(home: Path) -> None:
    settings = ("--strategies", "single", "self_consistency", "--budgets", "8", "16", "--limit", "3")
    done = run(home, "eval", "decide", "mine.jsonl", *settings, "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["settings"]) == {
        f"default-{tokens}-{strategy}" for tokens in (8, 16) for strategy in ("single", "self_consistency")
    }


def test_an_unknown_verifier_is_told_before_anything_is_asked(home: Path) -> None:
    (home / "mine.jsonl").write_text('{"question": "?", "gold": "3", "verifier": "maths"}')
    done = run(home, "eval", "run", "mine.jsonl", "--model", "tiny")
    assert (done.returncode, "unknown verifier 'maths'" in done.stderr) == (2, True)
    assert run(home, "usage", "--json").stdout.count('"requests": 0') == 1
