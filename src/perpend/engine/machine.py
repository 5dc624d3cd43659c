"""What this machine can carry: cores and RAM as limits allow them, and the engine's settings that follow."""

import math
import os
from functools import cache
from pathlib import Path

from msgspec import Struct

from perpend.config.schema import EngineConfig
from perpend.engine.gguf import ModelFacts

GIB = 1 << 30
LONGEST_SLOT = 8192
"""Tokens per slot unless config asks for more: room for thousands of thinking tokens and their prompt."""

SMALL_WEIGHTS = 32 << 20
"""Bytes below which one thread is faster: sharing such small sums out takes longer than doing them."""


class Machine(Struct, frozen=True):
    cores: int
    """Physical cores that this process may use."""
    ram: int
    """Bytes that it may use."""


class Settings(Struct, frozen=True):
    """How one engine runs."""

    threads: int
    slots: int
    context: int
    """Tokens per slot."""
    cache_mib: int


@cache
def this_machine() -> Machine:
    return measure(Path("/"))


def measure(root: Path) -> Machine:
    """Cores and RAM under `root`'s /sys and /proc: affinity and control groups (v1, v2) count as limits."""
    groups = _control_groups(root)
    cores = _physical_cores(root / "sys/devices/system/cpu")
    quotas = [quota for group in groups if (quota := _cpu_quota(group))]
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [limit for group in groups if (limit := _memory_limit(group))]
    return Machine(cores=max(1, math.ceil(min([cores, *quotas]))), ram=min([ram, *limits]))


def context_for(config: EngineConfig, trained: int | None, machine: Machine) -> int:
    """Tokens per slot: the config's, else what the model knows, less where RAM is small."""
    if config.context:
        return config.context
    room = 2048 if machine.ram < 3 * GIB else 4096 if machine.ram < 6 * GIB else LONGEST_SLOT
    return min(room, trained or room)


def settings(
    config: EngineConfig, machine: Machine, *, context: int, facts: ModelFacts, weights: int
) -> Settings:
    """The config with its zeros filled in: as many slots as fit beside `weights` bytes in a share of RAM."""
    share = machine.ram * 3 // 4 // config.keep_loaded
    # weights count half as much again: the CPU kernels keep a repacked copy of some of them
    room = share - weights * 3 // 2
    most = 4 if machine.ram < 16 * GIB else 8 if machine.ram < 64 * GIB else 16
    fitting = max(1, min(most, room // (context * facts.kv_bytes_per_token)))
    cache_mib = max(128, min(4096, machine.ram // 16 // (1 << 20)))
    return Settings(
        threads=config.threads or (1 if weights < SMALL_WEIGHTS else machine.cores),
        slots=config.slots or fitting,
        context=context,
        cache_mib=config.cache_mib or cache_mib,
    )


def _physical_cores(folder: Path) -> int:
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    siblings = {_read(folder / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in usable}
    return len(siblings)


def _control_groups(root: Path) -> list[Path]:
    """The folders whose limits hold for this process, from its own up to the root's."""
    mount = root / "sys/fs/cgroup"
    folders: list[Path] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for base in [mount, *(mount / name for name in controllers.split(",") if name)]:
            own = base / path.lstrip("/")
            folders += [own, *(parent for parent in own.parents if parent.is_relative_to(base))]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _cpu_quota(group: Path) -> float | None:
    """Cores' worth of time."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not period:
        quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _memory_limit(group: Path) -> int | None:
    text = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
