"""What a machine can carry, from trees of /sys and /proc made here; and the settings that follow."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from perpend.config import EngineConfig
from perpend.config.schema import DefaultsConfig
from perpend.engine.catalogue import catalogue
from perpend.engine.gguf import ModelFacts
from perpend.engine.machine import GIB, UNKNOWN_SLOT, Machine, context_for, measure, settings

FACTS = ModelFacts(architecture="toy", weights=GIB, layers=4, context=32768, kv_bytes_per_token=32 * 1024)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


class TestMeasure:
    @pytest.fixture(autouse=True)
    def four_cpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]

    def test_nothing_is_said(self, tmp_path: Path) -> None:
        machine = measure(tmp_path)
        assert machine.cores == 4
        assert machine.ram == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def test_threads_of_one_core_are_one_core(self, tmp_path: Path) -> None:
        siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
        files = {
            f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": s for n, s in siblings.items()
        }
        assert measure(tree(tmp_path, files)).cores == 2

    def test_a_control_group_limits(self, tmp_path: Path) -> None:
        files = {
            "proc/self/cgroup": "0::/jobs/one\n",
            "sys/fs/cgroup/jobs/one/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/jobs/one/memory.max": "max\n",
            "sys/fs/cgroup/jobs/memory.max": f"{2 * GIB}\n",
        }
        assert measure(tree(tmp_path, files)) == Machine(cores=2, ram=2 * GIB)

    def test_one_of_the_first_kind_too(self, tmp_path: Path) -> None:
        files = {
            "proc/self/cgroup": "3:cpu,cpuacct:/box\n5:memory:/box\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "100000\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{GIB}\n",
        }
        assert measure(tree(tmp_path, files)) == Machine(cores=1, ram=GIB)

    def test_no_quota_is_no_limit(self, tmp_path: Path) -> None:
        files = {
            "proc/self/cgroup": "3:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        }
        assert measure(tree(tmp_path, files)).cores == 4


class TestContext:
    @pytest.mark.parametrize(
        ("ram", "config", "tokens"),
        [
            (24 * GIB, EngineConfig(), 32768),
            (16 * GIB, EngineConfig(), 32768),
            (8 * GIB, EngineConfig(), 16384),
            (8 * GIB, EngineConfig(keep_loaded=1), 32768),
            (8 * GIB, EngineConfig(slots=1), 32768),
            (8 * GIB, EngineConfig(slots=12), 4096),
            (4 * GIB, EngineConfig(), 2048),
            (GIB, EngineConfig(context=20_000), 20_000),
        ],
    )
    def test_all_that_the_model_knows_where_enough_slots_fit(
        self, ram: int, config: EngineConfig, tokens: int
    ) -> None:
        assert context_for(config, Machine(cores=2, ram=ram), FACTS) == tokens

    def test_a_short_one_is_never_cut(self) -> None:
        assert context_for(EngineConfig(), Machine(cores=2, ram=GIB), replace(FACTS, context=512)) == 512

    def test_of_an_unknown_model(self) -> None:
        assert context_for(EngineConfig(), Machine(cores=2, ram=GIB), None) == UNKNOWN_SLOT

    def test_an_agents_first_prompt_fits_the_default_model_on_16_gib(self) -> None:
        facts = catalogue()[DefaultsConfig().model].facts
        assert context_for(EngineConfig(), Machine(cores=2, ram=16 * GIB), facts) == 32768


class TestSettings:
    def chosen(
        self, ram: int, config: EngineConfig | None = None, facts: ModelFacts = FACTS
    ) -> tuple[int, int]:
        """Slots and threads."""
        found = settings(config or EngineConfig(), Machine(cores=6, ram=ram), 8192, facts)
        return found.slots, found.threads

    def test_as_many_slots_as_fit(self) -> None:
        assert self.chosen(64 * GIB) == (16, 6)
        assert self.chosen(16 * GIB) == (8, 6)
        assert self.chosen(8 * GIB) == (4, 6)
        assert self.chosen(5 * GIB) == (1, 6)

    def test_at_least_one(self) -> None:
        assert self.chosen(GIB, facts=replace(FACTS, weights=8 * GIB)) == (1, 6)

    def test_one_engine_may_have_it_all(self) -> None:
        assert self.chosen(4 * GIB, EngineConfig(keep_loaded=1)) == (4, 6)

    def test_the_config_has_the_last_word(self) -> None:
        assert self.chosen(GIB, EngineConfig(slots=3, threads=1)) == (3, 1)
