"""What this machine can carry: cores and RAM as limits allow them, and the engine's settings that follow."""

import math
import os
from functools import cache
from pathlib import Path

from msgspec import Struct

from perpend.config.schema import EngineConfig
from perpend.engine.gguf import ModelFacts

GIB = 1 << 30
SHORTEST_SLOT = 2048
"""Tokens per slot that are tried, however small the machine: less has no room for a thought."""
UNKNOWN_SLOT = 8192
"""Tokens per slot of a model that nothing is known of yet."""

SMALL_WEIGHTS = 32 << 20
"""Bytes below which one thread is faster: sharing such small sums out takes longer than doing them."""


class Machine(Struct, frozen=True):
    """What this process may use of the machine."""

    cores: int
    """Physical cores."""
    ram: int
    """Bytes."""


class EngineSettings(Struct, frozen=True):
    """How one engine runs."""

    threads: int
    slots: int
    context: int
    """Tokens per slot."""
    cache_mib: int


@cache
def this_machine() -> Machine:
    """Measured once."""
    return measure(Path("/"))


def measure(root: Path) -> Machine:
    """Cores and RAM under `root`'s /sys and /proc: affinity and control groups (v1, v2) count as limits."""
    groups = _control_groups(root)
    cores = _physical_cores(root / "sys/devices/system/cpu")
    quotas = [quota for group in groups if (quota := _cpu_quota(group))]
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [limit for group in groups if (limit := _memory_limit(group))]
    return Machine(cores=max(1, math.ceil(min([cores, *quotas]))), ram=min([ram, *limits]))


def context_for(config: EngineConfig, machine: Machine, facts: ModelFacts | None) -> int:
    """Tokens per slot: the config's, else what the model knows, halved until RAM has room for enough slots.

    Enough is what the config says, else half of the most that such a machine runs: long prompts aren't bought by
    answering requests one after the other.
    """
    if config.context:
        return config.context
    if facts is None:
        return UNKNOWN_SLOT
    min_slots = config.slots or _most_slots(machine) // 2
    context = facts.context
    while context // 2 >= SHORTEST_SLOT and _fitting(config, machine, context, facts) < min_slots:
        context //= 2
    return context


def settings(config: EngineConfig, machine: Machine, context: int, facts: ModelFacts) -> EngineSettings:
    """The config with its zeros filled in: as many slots as fit beside the weights in a share of RAM."""
    fitting_slots = min(_most_slots(machine), _fitting(config, machine, context, facts))
    cache_mib = max(128, min(4096, machine.ram // 16 // (1 << 20)))
    return EngineSettings(
        threads=config.threads or (1 if facts.weights < SMALL_WEIGHTS else machine.cores),
        slots=config.slots or max(1, fitting_slots),
        context=context,
        cache_mib=config.cache_mib or cache_mib,
    )


def ram_for(facts: ModelFacts) -> int:
    """Bytes that one answer at a time takes, with a usual context."""
    return _weights(facts) + UNKNOWN_SLOT * facts.kv_bytes_per_token


def _weights(facts: ModelFacts) -> int:
    """They count half as much again: the CPU kernels keep a repacked copy of some of them."""
    return facts.weights * 3 // 2


def _most_slots(machine: Machine) -> int:
    """More at once than this would only slow each other down."""
    return 4 if machine.ram < 16 * GIB else 8 if machine.ram < 64 * GIB else 16


def _fitting(config: EngineConfig, machine: Machine, context: int, facts: ModelFacts) -> int:
    """Slots whose KV caches an engine's share of RAM has room for, beside the weights."""
    share = machine.ram * 3 // 4 // config.keep_loaded
    return (share - _weights(facts)) // (context * facts.kv_bytes_per_token)


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
            group = base / path.lstrip("/")
            folders += [group, *(parent for parent in group.parents if parent.is_relative_to(base))]
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
