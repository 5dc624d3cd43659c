"""What a run holds in memory where no cgroup counts it: its processes' pages, its files, and what the kernel keeps.

What can't be counted from outside is refused: `seccomp.UNCOUNTED`.
"""

import os
import re
import resource
import socket
from collections.abc import Iterable
from contextlib import suppress

_PAGE = resource.getpagesize()
_PIPE = 16 * _PAGE
_MAPPING = 512
"""What the kernel's record of a mapping takes at most."""
_BESIDE = re.compile(r"^Vm(?:PTE|Swap):\s+(\d+) kB$", re.MULTILINE)
_SELDOM = 8
"""Looks, of which one is at what processes hold beside pages too."""

Stats = dict[int, list[str]]
"""Process -> its line in /proc/PID/stat, from the state on: state is 0, utime 11, threads 17, pages 21."""


class Memory:
    def __init__(self, proc: int, folder: str | None) -> None:
        """`folder`: a file system in memory that is the run's alone."""
        self._proc = proc
        self._folder = folder
        self._looks = 0
        self._beside_each = 0.0
        ours, theirs = socket.socketpair()
        with ours, theirs:  # a last message may go beyond its bound by half
            self._socket = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) * 3 // 2

    def exceeds(self, limit: int, stats: Stats) -> bool:
        """Looks closer only where a rough sum, in which what is shared counts for each, is too much."""
        self._looks += 1
        if self._looks % _SELDOM == 0:
            self._beside_each = self._beside(stats, limit) / len(stats) if stats else 0
        resident = sum(int(fields[21]) for fields in stats.values()) * _PAGE
        descriptors = sum(map(self._descriptors, stats)) * self._socket
        if self._files() + self._beside_each * len(stats) + resident + descriptors <= limit:
            return False
        left = limit - self._files() - self._beside(stats, limit)
        # who forks or ends while we read changes what others share: two looks that agree
        return left < 0 or all(sum(map(self._pages, stats)) > left for _ in range(2))

    def _files(self) -> int:
        if self._folder is None:
            return 0
        room = os.statvfs(self._folder)
        return (room.f_blocks - room.f_bfree) * room.f_frsize

    def _pages(self, pid: int) -> int:
        """Each divided by those who share it; those of files are counted as files."""
        lines = _text(self._proc, f"{pid}/smaps_rollup").splitlines()[1:]
        said = {kind: int(size.split()[0]) << 10 for kind, _, size in (line.partition(":") for line in lines)}
        if "Pss_Anon" in said:
            return said["Pss_Anon"] + said["Pss_File"]
        fields = _stat(self._proc, str(pid))
        return said.get("Pss", int(fields[21]) * _PAGE if fields else 0)

    def _beside(self, pids: Iterable[int], limit: int) -> int:
        """Beside pages: swap, tables of pages, records of mappings, pipes and sockets (each once, and full).

        Reading how many mappings there are takes as long as there are many: it stops where they're too much.
        """
        buffers: set[str] = set()
        total = 0
        for pid in pids:
            if total > limit:
                break
            status = _text(self._proc, f"{pid}/status")
            total += sum(int(size) << 10 for size in _BESIDE.findall(status))
            total += _text(self._proc, f"{pid}/maps").count("\n") * _MAPPING
            buffers |= self._buffers(pid)
        return total + sum(self._socket if name.startswith("socket") else _PIPE for name in buffers)

    def _descriptors(self, pid: int) -> int:
        """How many; 0 before Linux 6.2."""
        try:
            return os.stat(f"{pid}/fd", dir_fd=self._proc).st_size
        except OSError:
            return 0

    def _buffers(self, pid: int) -> set[str]:
        names = _names(self._proc, f"{pid}/fd")
        if not names:  # who isn't root may not look
            return {f"socket of {pid}: {number}" for number in range(self._descriptors(pid))}
        found: set[str] = set()
        for name in names:
            with suppress(OSError):
                link = os.readlink(f"{pid}/fd/{name}", dir_fd=self._proc)
                # all epolls have one name; what one may watch takes about as much as a socket's buffer
                found.add(f"socket of {pid}: {name}" if link.endswith("[eventpoll]") else link)
        return {name for name in found if name.startswith(("socket", "pipe:"))}


def stats_of(proc: int, pids: Iterable[int]) -> Stats:
    """Of those that are still there."""
    found = ((pid, _stat(proc, str(pid))) for pid in pids)
    return dict(_speaking(proc, pid, fields) for pid, fields in found if fields)


def _speaking(proc: int, pid: int, fields: list[str]) -> tuple[int, list[str]]:
    """A process whose first thread has ended shows no memory: another of its threads speaks for it."""
    if fields[0] not in "ZX" or int(fields[17]) < 2:
        return pid, fields
    threads = ((int(name), _stat(proc, name)) for name in _names(proc, f"{pid}/task"))
    return next(((thread, one) for thread, one in threads if one and one[0] not in "ZX"), (pid, fields))


def _names(proc: int, path: str) -> list[str]:
    """Empty where the process has gone, or isn't ours to look at."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
    except OSError:
        return []
    try:
        return os.listdir(folder)
    except OSError:
        return []
    finally:
        os.close(folder)


def _stat(proc: int, place: str) -> list[str]:
    return _text(proc, f"{place}/stat").rpartition(")")[2].split()


def _text(proc: int, path: str) -> str:
    """As `_names`."""
    try:
        fd = os.open(path, os.O_RDONLY, dir_fd=proc)
    except OSError:
        return ""
    pieces: list[bytes] = []
    try:
        while piece := os.read(fd, 1 << 16):
            pieces.append(piece)
    except OSError:
        return ""
    finally:
        os.close(fd)
    return b"".join(pieces).decode(errors="replace")
