"""`perpend usage`: what the ledger adds up to, as a table and as JSON."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from ledger_rows import ledger_row

from perpend.cli.usage import usage
from perpend.errors import BadRequest
from perpend.storage.store import Store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with Store.open(tmp_path / "perpend.db") as store:
        store.writer.write_now(
            [
                ledger_row(model="small", cost_usd=Decimal(0)),
                ledger_row(model="big", cost_usd=Decimal("0.10000000000001"), thinking=12_000),
                ledger_row(model="big", cost_usd=Decimal("0.2")),
            ]
        )


def run(*tokens: str) -> None:
    app = App()
    app.default(usage)
    app(list(tokens), result_action="return_value")


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out, parse_float=Decimal)


@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_table_has_every_digit_and_a_total(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    run()
    table = capsys.readouterr().out
    big = next(line for line in table.splitlines() if "big" in line)
    assert big.split() == ["–", "big", "2026-05-04", "2", "40", "10", "12,100", "20", "$0.30000000000001"]
    total = next(line for line in table.splitlines() if "total" in line)
    assert total.split() == ["total", "3", "60", "15", "12,200", "30", "$0.30000000000001"]


def test_json_by_model(capsys: pytest.CaptureFixture[str]) -> None:
    run("--by", "model", "--json")
    body = printed(capsys)
    assert [(row["model"], row["requests"], row["cost_usd"]) for row in body["rows"]] == [
        ("big", 2, Decimal("0.30000000000001")),
        ("small", 1, 0),
    ]
    assert "day" not in body["rows"][0]
    assert body["total"] == {
        "requests": 3,
        "input": 60,
        "cached": 15,
        "thinking": 12_200,
        "answer": 30,
        "cost_usd": Decimal("0.30000000000001"),
        "unpriced": 0,
        "cache_hits": 0,
        "saved_tokens": 0,
        "saved_usd": 0,
    }


def test_what_the_response_cache_saved_is_told_where_it_saved_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    nothing: dict[str, Any] = dict.fromkeys(("input", "cached", "thinking", "answer"), 0)
    hit = {"cache_hit": True, "saved_tokens": 130, "cost_usd": Decimal(0), **nothing}
    with Store.open(tmp_path / "perpend.db") as store:
        store.writer.write_now(
            [
                ledger_row(model="big", **hit, saved_usd=Decimal("0.1")),
                ledger_row(model="big", **hit, saved_usd=Decimal("0.1")),
                ledger_row(model="big", **hit, saved_usd=Decimal("0.00000000000001")),
                ledger_row(model="big", **hit, saved_usd=None),
            ]
        )
    run("--by", "model", "--json")
    saved = {"cache_hits": 4, "saved_tokens": 520, "saved_usd": Decimal("0.20000000000001")}
    big = printed(capsys)["rows"][0]
    assert big | saved == big
    assert (big["requests"], big["cost_usd"]) == (6, Decimal("0.30000000000001"))
    run("--by", "model")
    table = capsys.readouterr().out
    assert "cache hits" in table
    total = next(line for line in table.splitlines() if "total" in line)
    assert total.split()[-3:] == ["4", "520", "$0.20000000000001"]


def test_what_has_no_known_price_is_unknown_and_never_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with Store.open(tmp_path / "perpend.db") as store:
        store.writer.write_now([ledger_row(model="dark", cost_usd=None) for _ in range(2)])
    run("--by", "model", "--json")
    body = printed(capsys)
    assert {row["model"]: (row["cost_usd"], row["unpriced"]) for row in body["rows"]} == {
        "big": (Decimal("0.30000000000001"), 0),
        "dark": (None, 2),
        "small": (0, 0),
    }
    assert (body["total"]["cost_usd"], body["total"]["unpriced"]) == (Decimal("0.30000000000001"), 2)
    run("--by", "model")
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if "dark" in line).split()[-1] == "unknown"
    assert next(line for line in lines if "total" in line).rstrip().endswith("$0.30000000000001 + unknown")


def test_since_a_later_day_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run("--since", "2026-05-05", "--json")
    body = printed(capsys)
    assert body["rows"] == []
    assert body["total"]["requests"] == 0


def test_an_unknown_dimension_names_the_nearest() -> None:
    with pytest.raises(BadRequest, match="modle") as refused:
        run("--by", "key,modle")
    assert "'model'" in str(refused.value.hint)
