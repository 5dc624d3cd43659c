"""The latest finished requests: of one model, and of all."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

from ledger_rows import NOON, ledger_row

from perpend.storage.past_requests import PastRequest, PastSpend, latest_requests, latest_spends
from perpend.storage.store import Store


def test_the_newest_first_and_no_others(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store:
        store.writer.write_now(
            [
                ledger_row(model="m", id="req_1", answer=1),
                ledger_row(model="m", id="req_3", answer=3, cost_usd=Decimal("0.1")),
                ledger_row(model="m", id="req_4", status="failed"),
                ledger_row(model="other", id="req_5"),
                ledger_row(model="m", id="req_6", cache_hit=True, thinking=0, answer=0),
                ledger_row(model="m", id="req_2", answer=2, finished_at=NOON + dt.timedelta(seconds=2)),
            ]
        )
        found = latest_requests(store, "m", limit=2)
    noon = int(NOON.timestamp() * 1000)
    assert found == [
        PastRequest("single", 256, 100, 3, noon, noon + 1234, Decimal("0.1")),
        PastRequest("single", 256, 100, 2, noon, noon + 2000, Decimal("0.0000123")),
    ]


def test_what_whole_requests_of_all_models_took(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store:
        store.writer.write_now(
            [
                ledger_row(model="m", id="req_1"),
                ledger_row(model="other", id="req_2", strategy="best_of_n", thinking=7, answer=3),
                ledger_row(id="req_3", truncated=True),
                ledger_row(id="req_4", status="cancelled"),
                ledger_row(id="req_5", strategy="summary"),
                ledger_row(model="m", id="req_6", effective_thinking=0, thinking=0),
            ]
        )
        found = latest_spends(store, limit=2)
    assert found == [PastSpend("m", "single", 0, 0, 10), PastSpend("other", "best_of_n", 128, 7, 3)]
