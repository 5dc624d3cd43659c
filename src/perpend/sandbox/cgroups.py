"""Limits of memory and tasks that the kernel keeps exactly, for a slot's runs, where cgroups may be written.

Version 2 needs a folder whose `cgroup.subtree_control` has memory and pids; version 1 has a hierarchy for each.
"""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Self

from perpend.sandbox.contract import Limits

_ROOT = Path("/sys/fs/cgroup")
_NAME = "perpend"
_SPARE_TASKS = 8
_TIMEOUTS = 100


class Cgroup:
    def __init__(self, memory: Path, pids: Path) -> None:
        """Two folders of version 1, or twice the same of version 2."""
        self._memory = memory
        self._pids = pids
        self._limits: Limits | None = None
        self._killed = self._oom_kills()

    @classmethod
    def make(cls, slot: str) -> Self | None:
        """None where it can't be written, as in most containers."""
        name = f"{_NAME}-{os.getpid()}-{slot}"
        for memory, pids in _parents():
            _sweep(memory)
            _sweep(pids)
            made: list[Path] = []
            try:
                for folder in dict.fromkeys((memory / name, pids / name)):
                    folder.mkdir()
                    made.append(folder)
                if _limit_file(memory / name).exists() and (pids / name / "pids.max").exists():
                    return cls(memory / name, pids / name)
            except OSError:
                pass
            _remove(made)
        return None

    def limit(self, limits: Limits) -> None:
        if limits == self._limits:
            return
        _limit_file(self._memory).write_text(str(limits.memory_bytes))
        (self._pids / "pids.max").write_text(str(limits.processes + _SPARE_TASKS))
        swap = self._memory / "memory.swap.max"
        with contextlib.suppress(OSError):
            if swap.exists():
                swap.write_text("0")
        self._limits = limits

    def join(self) -> list[int]:
        """Descriptors of cgroup.procs: a process that writes 0 there joins."""
        folders = dict.fromkeys((self._memory, self._pids))
        return [os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in folders]

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed for want of memory since it was last asked."""
        before, self._killed = self._killed, self._oom_kills()
        return self._killed > before

    async def remove(self) -> None:
        """Once the kernel is done with the processes that were in it, which may be a moment after they ended."""
        for _ in range(_TIMEOUTS):
            if _remove([self._memory, self._pids]):
                return
            await asyncio.sleep(0.01)

    def _oom_kills(self) -> int:
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                for line in (self._memory / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0


async def writable() -> bool:
    """Whether limits of memory are kept by the kernel here; else Perpend counts."""
    group = Cgroup.make("probe")
    if group is None:
        return False
    await group.remove()
    return True


def _parents() -> list[tuple[Path, Path]]:
    """Folders for memory and pids in which a group of ours could be made."""
    places: dict[str, Path] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, place = line.split(":", 2)
            for kind in kinds.split(","):
                places[kind] = Path(place.lstrip("/"))
    found: list[tuple[Path, Path]] = []
    if "" in places:
        own = _ROOT / places[""]
        found += [(own, own), (own.parent, own.parent)]
    if "memory" in places and "pids" in places:
        found.append((_ROOT / "memory" / places["memory"], _ROOT / "pids" / places["pids"]))
    return [pair for pair in found if all(_ROOT in (folder, *folder.parents) for folder in pair)]


def _limit_file(folder: Path) -> Path:
    version_2 = folder / "memory.max"
    return version_2 if version_2.exists() else folder / "memory.limit_in_bytes"


def _remove(folders: list[Path]) -> bool:
    """Whether all of them are gone."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return not any(folder.exists() for folder in folders)


def _sweep(parent: Path) -> None:
    """What is left of processes that were killed before they could remove theirs."""
    for folder in parent.glob(f"{_NAME}-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not Path("/proc", owner).exists():
            _remove([folder])
