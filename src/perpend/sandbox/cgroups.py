"""Limits of memory and tasks that the kernel enforces on a slot's runs, where cgroups can be written.

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
_REMOVE_TRIES = 100


class Cgroup:
    """The memory and pids groups of one slot."""

    def __init__(self, memory: Path, pids: Path) -> None:
        """Two folders of version 1, or the same folder of version 2 twice."""
        self._memory = memory
        self._pids = pids
        self._limits: Limits | None = None
        self._oom_count = self._oom_kills()

    @classmethod
    def make(cls, slot: str) -> Self | None:
        """Creates the groups; returns None where they can't be written, as in most containers."""
        name = f"{_NAME}-{os.getpid()}-{slot}"
        for memory, pids in _parents():
            _remove_stale(memory)
            _remove_stale(pids)
            created: list[Path] = []
            try:
                for folder in dict.fromkeys((memory / name, pids / name)):
                    folder.mkdir()
                    created.append(folder)
                if _limit_file(memory / name).exists() and (pids / name / "pids.max").exists():
                    return cls(memory / name, pids / name)
            except OSError:
                pass
            _remove(created)
        return None

    def limit(self, limits: Limits) -> None:
        """Sets the limits of the next run. Raises OSError where the kernel refuses them."""
        if limits == self._limits:
            return
        _limit_file(self._memory).write_text(str(limits.memory_bytes))
        (self._pids / "pids.max").write_text(str(limits.processes + _SPARE_TASKS))
        swap = self._memory / "memory.swap.max"
        with contextlib.suppress(OSError):
            if swap.exists():
                swap.write_text("0")
        self._limits = limits

    def open_procs(self) -> list[int]:
        """Opens each cgroup.procs: a process that writes 0 there joins. Raises OSError."""
        folders = dict.fromkeys((self._memory, self._pids))
        return [os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in folders]

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process for memory since the last call."""
        previous, self._oom_count = self._oom_count, self._oom_kills()
        return self._oom_count > previous

    async def remove(self) -> None:
        """Removes the groups; the kernel may hold them for a moment after their processes ended."""
        for _ in range(_REMOVE_TRIES):
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
    """Whether the kernel can enforce memory limits here; else Perpend counts."""
    group = Cgroup.make("probe")
    if group is None:
        return False
    await group.remove()
    return True


def _parents() -> list[tuple[Path, Path]]:
    """Pairs of folders, for memory and for pids, in which a group may be created."""
    paths: dict[str, Path] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                paths[controller] = Path(path.lstrip("/"))
    candidates: list[tuple[Path, Path]] = []
    if "" in paths:
        group = _ROOT / paths[""]
        candidates += [(group, group), (group.parent, group.parent)]
    if "memory" in paths and "pids" in paths:
        candidates.append((_ROOT / "memory" / paths["memory"], _ROOT / "pids" / paths["pids"]))
    return [pair for pair in candidates if all(_ROOT in (folder, *folder.parents) for folder in pair)]


def _limit_file(folder: Path) -> Path:
    version_2 = folder / "memory.max"
    return version_2 if version_2.exists() else folder / "memory.limit_in_bytes"


def _remove(folders: list[Path]) -> bool:
    """Removes the folders; returns whether all of them are gone."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return not any(folder.exists() for folder in folders)


def _remove_stale(parent: Path) -> None:
    """Removes groups of processes that were killed before they could do so themselves."""
    for folder in parent.glob(f"{_NAME}-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not Path("/proc", owner).exists():
            _remove([folder])
