"""Measures the cores and the RAM that limits allow, and derives the engine's settings from them."""

import math
import os
from functools import cache
from pathlib import Path

from msgspec import Struct

from perpend.config.schema import EngineConfig
from perpend.engine.gguf import ModelFacts

GIB = 1 << 30
SHORTEST_SLOT = 2048
"""The fewest tokens per slot, on any machine: fewer leave no space for thinking."""
UNKNOWN_SLOT = 8192
"""Tokens per slot for a model of which nothing is known yet."""

SMALL_WEIGHTS = 32 << 20
"""Bytes of weights below which one thread is faster than several."""


class Machine(Struct, frozen=True):
    """The part of the machine that this process may use."""

    cores: int
    """Physical cores."""
    ram: int
    """Bytes."""


class EngineSettings(Struct, frozen=True):
    """The settings of one engine."""

    threads: int
    slots: int
    context: int
    """Tokens per slot."""
    cache_mib: int


@cache
def this_machine() -> Machine:
    """Returns this machine, measured once per process."""
    return measure(Path("/"))


def measure(root: Path) -> Machine:
    """Measures cores and RAM from /sys and /proc under `root`, limited by affinity and control groups (v1, v2).

    https://docs.kernel.org/admin-guide/cgroup-v2.html describes `cpu.max` and `memory.max`.
    """
    groups = _control_groups(root)
    cores = _physical_cores(root / "sys/devices/system/cpu")
    quotas = [quota for group in groups if (quota := _cpu_quota(group))]
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [limit for group in groups if (limit := _memory_limit(group))]
    return Machine(cores=max(1, math.ceil(min([cores, *quotas]))), ram=min([ram, *limits]))


def context_for(config: EngineConfig, machine: Machine, facts: ModelFacts | None) -> int:
    """Returns tokens per slot: the config's, else the model's, halved until RAM has space for enough slots.

    Enough is the config's number of slots, else half of the machine's maximum, so that a long context doesn't leave
    space for one request at a time only.
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
    """Returns the config's settings with zeros filled in: as many slots as fit into RAM beside the weights."""
    fitting_slots = min(_most_slots(machine), _fitting(config, machine, context, facts))
    cache_mib = max(128, min(4096, machine.ram // 16 // (1 << 20)))
    return EngineSettings(
        threads=config.threads or (1 if facts.weights < SMALL_WEIGHTS else machine.cores),
        slots=config.slots or max(1, fitting_slots),
        context=context,
        cache_mib=config.cache_mib or cache_mib,
    )


def ram_for(facts: ModelFacts) -> int:
    """Returns the bytes of RAM for one answer at a time, with a context of `UNKNOWN_SLOT` tokens."""
    return _weights(facts) + UNKNOWN_SLOT * facts.kv_bytes_per_token


def _weights(facts: ModelFacts) -> int:
    """Returns the weights' bytes in RAM: half more than in the file, since CPU kernels keep a repacked copy of some."""
    return facts.weights * 3 // 2


def _most_slots(machine: Machine) -> int:
    """Returns the most slots; more would only slow each other down."""
    return 4 if machine.ram < 16 * GIB else 8 if machine.ram < 64 * GIB else 16


def _fitting(config: EngineConfig, machine: Machine, context: int, facts: ModelFacts) -> int:
    """Returns the number of slots whose KV caches fit into an engine's share of RAM, beside the weights."""
    share = machine.ram * 3 // 4 // config.keep_loaded
    return (share - _weights(facts)) // (context * facts.kv_bytes_per_token)


def _physical_cores(folder: Path) -> int:
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    siblings = {_read(folder / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in usable}
    return len(siblings)


def _control_groups(root: Path) -> list[Path]:
    """Returns the control groups that limit this process, from its own up to the root."""
    mount = root / "sys/fs/cgroup"
    folders: list[Path] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for base in [mount, *(mount / name for name in controllers.split(",") if name)]:
            group = base / path.lstrip("/")
            folders += [group, *(parent for parent in group.parents if parent.is_relative_to(base))]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _cpu_quota(group: Path) -> float | None:
    """Returns the CPU time quota in cores; None where there is none."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not period:
        quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _memory_limit(group: Path) -> int | None:
    """Returns the memory limit in bytes; None where there is none."""
    text = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
