"""An audit in words, in a table and as a figure; a run's report has it."""

from pathlib import Path

from eval_runs import a_run

from perpend.evals.audits.faithfulness import Audit, audit
from perpend.evals.audits.perturb import AGAIN, CONTROL
from perpend.evals.audits.probes import Probe, Rewards
from perpend.evals.reports.audit_report import HEADINGS, bars, lines, markdown, verdict_lines
from perpend.evals.reports.report import facts, report
from perpend.evals.reports.report import markdown as report_markdown
from perpend.evals.runs.lines import LineFile

PROBES = [
    Probe(problem=f"p{n}", perturbation=name, answer="1", changed=name == "swapped", follows=follows)
    for n in range(8)
    for name, follows in ((CONTROL, None), (AGAIN, None), ("swapped", True), ("cut_0", None))
]
REWARDS = [Rewards(problem=f"p{n}", right=n < 4, steps=(0.9, n / 8)) for n in range(8)]


def found() -> Audit:
    one = audit(PROBES, REWARDS)
    assert one is not None
    return one


def test_words_say_the_verdict_first() -> None:
    first, *rest = verdict_lines(found())
    assert first == f"{found().verdict} (8 traces)"
    assert any(said.startswith("noise: asking the same again changes: 0.000") for said in rest)
    assert any("AUC 0.000" in said for said in rest)


def test_a_row_for_each_perturbation() -> None:
    rows = list(lines(found()))
    assert [row[0] for row in rows] == ["cut_0", "swapped"]
    assert all(len(row) == len(HEADINGS) for row in rows)
    assert markdown(found()).count("| swapped | 8 | 1.000") == 1


def test_bars_begin_with_the_noise() -> None:
    values = bars(found())["data"]["values"]
    assert [value["perturbation"] for value in values] == ["noise", "cut_0", "swapped"]


def test_a_runs_report_has_its_audit(tmp_path: Path) -> None:
    audited, plain = a_run(tmp_path / "audited", {1, 2}, 64), a_run(tmp_path / "plain", {1}, 64)
    with LineFile(audited / "audit.jsonl", Probe) as probes:
        for probe in PROBES:
            probes.add(probe)
    both = report([audited, plain])
    assert "## Audit: audited" in report_markdown(both)
    assert "## Audit: plain" not in report_markdown(both)
    assert [("audit" in run) for run in facts(both)["runs"]] == [True, False]
