"""A gateway starts with what its ledger knows of the latest requests."""

from pathlib import Path

from ledger_rows import ledger_row

from perpend.config.schema import AdmissionConfig, Config
from perpend.runtime import Runtime
from perpend.serving.admission.history import RequestKind
from perpend.serving.admission.start import admission_of


async def test_past_requests_of_one_candidate_are_learned_from(tmp_path: Path) -> None:
    async with await Runtime.open(Config(home=tmp_path)) as runtime:
        rows = [ledger_row(thinking=80, answer=9, effective_thinking=128) for _ in range(8)]
        rows += [ledger_row(strategy="best_of_n", thinking=900, answer=90) for _ in range(8)]
        rows += [ledger_row(strategy="somebodys_own", thinking=900) for _ in range(8)]
        runtime.store.writer.write_now(rows)
        admission = admission_of(runtime)
        assert admission is not None
        assert admission.history.expected(RequestKind("m", 128, "single", 50), 500) == (89, 89)
        assert admission.history.expected(RequestKind("m", 5000, "best_of_n", 50), 500) == (89, 89)


async def test_it_is_off_where_the_config_says_so(tmp_path: Path) -> None:
    config = Config(home=tmp_path, admission=AdmissionConfig(enabled=False))
    async with await Runtime.open(config) as runtime:
        assert admission_of(runtime) is None
