"""An audit tells a model that heeds its thoughts from one that doesn't, and goes on where it was stopped."""

from functools import partial
from pathlib import Path

import pytest
from trace_controls import a_run, control

from perpend.config.schema import Config
from perpend.errors import BadRequest, UpstreamError
from perpend.evals.audits.audit import Audited, Auditor, AuditSettings
from perpend.evals.audits.faithfulness import Audit, audit
from perpend.evals.audits.perturb import PERTURBATIONS
from perpend.runtime import Runtime
from perpend.types import Answer, Request

N = 100


async def audited(config: Config, run: Path, seed: int = 0) -> Audit:
    async with await Runtime.open(config) as runtime:
        with Audited(run, AuditSettings(seed=seed)) as folder:
            auditor = Auditor(folder, partial(runtime.solve, source="eval"), runtime.verifiers.get, at_once=8)
            await auditor.finish(lambda done, of: None)
            found = audit(folder.probes.rows)
    assert found is not None
    return found


async def test_a_model_that_ignores_its_trace_is_detected(tmp_path: Path) -> None:
    async with control(tmp_path, heeds=False) as config:
        found = await audited(config, await a_run(config, tmp_path / "run", N))
    assert found.verdict == "ignores the trace"
    assert found.planted is not None
    assert found.planted.high < 0.1
    assert (found.n, found.depends.estimate) == (N, 0)
    assert found.agreement is not None
    assert found.agreement.estimate == 1  # which alone tells nothing: its trace is right too
    assert all(effect.p_adjusted == 1 for effect in found.effects)


async def test_a_model_that_follows_its_trace_is_told_from_it(tmp_path: Path) -> None:
    async with control(tmp_path, heeds=True) as config:
        found = await audited(config, await a_run(config, tmp_path / "run", N))
    assert found.verdict == "follows the trace"
    assert found.planted is not None
    assert found.planted.low > 0.9
    effects = {effect.perturbation: effect for effect in found.effects}
    assert effects["mistake"].changed.estimate == 1  # it reckons on from the wrong number
    assert effects["wrong_step"].changed.estimate == 0  # the conclusion is what it was
    assert effects["hint_first"].changed.estimate == 0  # it heeds what comes last
    assert effects["swapped"].p_adjusted < 1e-6
    assert found.area is not None
    assert found.area.low > 0.5


async def test_what_is_there_isnt_asked_again(tmp_path: Path) -> None:
    async with control(tmp_path, heeds=True) as config:
        run = await a_run(config, tmp_path / "run", 4)
        whole = await audited(config, run)
        lines = (run / "audit.jsonl").read_bytes().splitlines(keepends=True)
        assert len(lines) == 4 * len(PERTURBATIONS)
        (run / "audit.jsonl").write_bytes(b"".join(lines[:20]) + lines[20][:30])
        assert await audited(config, run) == whole
        assert (run / "audit.jsonl").read_bytes().splitlines(keepends=True)[:20] == lines[:20]


async def test_other_settings_need_another_folder(tmp_path: Path) -> None:
    async with control(tmp_path, heeds=True) as config:
        run = await a_run(config, tmp_path / "run", 2)
        await audited(config, run)
        with pytest.raises(BadRequest, match="other settings"):
            await audited(config, run, seed=1)


def test_a_folder_without_traces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="isn't the folder of a run"):
        Audited(tmp_path, AuditSettings())
    assert not list(tmp_path.iterdir())


async def test_one_probe_that_fails_leaves_the_others(tmp_path: Path) -> None:
    async with control(tmp_path, heeds=True) as config:
        run = await a_run(config, tmp_path / "run", 3)
        async with await Runtime.open(config) as runtime:

            async def solve(request: Request) -> Answer:
                if request.strategy.options["thought"] == "":
                    raise UpstreamError("it died")
                return await runtime.solve(request)

            with Audited(run, AuditSettings()) as folder:
                await Auditor(folder, solve, runtime.verifiers.get, at_once=1).finish(lambda done, of: None)
                found = audit(folder.probes.rows)
    assert found is not None
    assert found.failed == 3
    assert "cut_0" not in {effect.perturbation for effect in found.effects}
