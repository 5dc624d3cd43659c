"""Counts a run's memory where no cgroup does: its processes' pages, its files, and the kernel's records of them.

Calls whose memory can't be counted from outside are refused: `seccomp.UNCOUNTED`.
"""

import os
import re
import resource
import socket
from collections.abc import Iterable
from contextlib import suppress

_PAGE_BYTES = resource.getpagesize()
_PIPE_BYTES = 16 * _PAGE_BYTES
_MAPPING_BYTES = 512
"""The most bytes that the kernel's record of a mapping takes."""
_OVERHEAD = re.compile(r"^Vm(?:PTE|Swap):\s+(\d+) kB$", re.MULTILINE)
_OVERHEAD_INTERVAL = 8
"""One check in so many measures the overhead beside pages too."""

Stats = dict[int, list[str]]
"""Process -> its line in /proc/PID/stat, from the state on: state is 0, utime 11, threads 17, pages 21."""


class Memory:
    """Counts the memory of one run after another."""

    def __init__(self, proc: int, folder: str | None) -> None:
        """`proc`: descriptor of /proc; `folder`: where a file system in memory of the run's own is mounted."""
        self._proc = proc
        self._folder = folder
        self._checks = 0
        self._mean_overhead = 0.0
        first, second = socket.socketpair()
        with first, second:  # a last message may go beyond its bound by half
            self._socket_bytes = first.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) * 3 // 2

    def exceeds(self, limit: int, stats: Stats) -> bool:
        """Whether a run holds more than `limit` bytes.

        Counts exactly only where a rough sum, with shared pages in full for each process, is above it.
        """
        self._checks += 1
        if self._checks % _OVERHEAD_INTERVAL == 0:
            self._mean_overhead = self._overhead(stats, limit) / len(stats) if stats else 0
        resident = sum(int(fields[21]) for fields in stats.values()) * _PAGE_BYTES
        descriptors = sum(map(self._descriptors, stats)) * self._socket_bytes
        if self._files() + self._mean_overhead * len(stats) + resident + descriptors <= limit:
            return False
        remaining = limit - self._files() - self._overhead(stats, limit)
        # a fork or an end during the count changes what is shared: two counts have to agree
        return remaining < 0 or all(sum(map(self._pages, stats)) > remaining for _ in range(2))

    def _files(self) -> int:
        if self._folder is None:
            return 0
        file_system = os.statvfs(self._folder)
        return (file_system.f_blocks - file_system.f_bfree) * file_system.f_frsize

    def _pages(self, pid: int) -> int:
        """Bytes of a process's pages, each divided by the number of its sharers; `_files` counts those of files."""
        lines = _read_file(self._proc, f"{pid}/smaps_rollup").splitlines()[1:]
        sizes = {
            kind: int(size.split()[0]) << 10 for kind, _, size in (line.partition(":") for line in lines)
        }
        if "Pss_Anon" in sizes:
            return sizes["Pss_Anon"] + sizes["Pss_File"]
        fields = _stat_fields(self._proc, str(pid))
        return sizes.get("Pss", int(fields[21]) * _PAGE_BYTES if fields else 0)

    def _overhead(self, pids: Iterable[int], limit: int) -> int:
        """Bytes beside pages: swap, page tables, records of mappings, pipes and sockets (each once, as if full).

        Stops above `limit`: reading a process's mappings takes longer the more it has.
        """
        buffers: set[str] = set()
        total = 0
        for pid in pids:
            if total > limit:
                break
            status = _read_file(self._proc, f"{pid}/status")
            total += sum(int(size) << 10 for size in _OVERHEAD.findall(status))
            total += _read_file(self._proc, f"{pid}/maps").count("\n") * _MAPPING_BYTES
            buffers |= self._buffers(pid)
        return total + sum(
            self._socket_bytes if name.startswith("socket") else _PIPE_BYTES for name in buffers
        )

    def _descriptors(self, pid: int) -> int:
        """Number of open descriptors; 0 before Linux 6.2."""
        try:
            return os.stat(f"{pid}/fd", dir_fd=self._proc).st_size
        except OSError:
            return 0

    def _buffers(self, pid: int) -> set[str]:
        names = _list_folder(self._proc, f"{pid}/fd")
        if not names:  # only root may read them
            return {f"socket of {pid}: {number}" for number in range(self._descriptors(pid))}
        found: set[str] = set()
        for name in names:
            with suppress(OSError):
                link = os.readlink(f"{pid}/fd/{name}", dir_fd=self._proc)
                # all epolls have one name; the records of one take about as much as a socket's buffer
                found.add(f"socket of {pid}: {name}" if link.endswith("[eventpoll]") else link)
        return {name for name in found if name.startswith(("socket", "pipe:"))}


def stats_of(proc: int, pids: Iterable[int]) -> Stats:
    """Reads the stat lines of the processes that still exist."""
    found = ((pid, _stat_fields(proc, str(pid))) for pid in pids)
    return dict(_live_thread(proc, pid, fields) for pid, fields in found if fields)


def _live_thread(proc: int, pid: int, fields: list[str]) -> tuple[int, list[str]]:
    """The stat line of a process, or of a live thread where its first has ended and so shows no memory."""
    if fields[0] not in "ZX" or int(fields[17]) < 2:
        return pid, fields
    threads = ((int(name), _stat_fields(proc, name)) for name in _list_folder(proc, f"{pid}/task"))
    return next(
        (
            (thread, thread_fields)
            for thread, thread_fields in threads
            if thread_fields and thread_fields[0] not in "ZX"
        ),
        (pid, fields),
    )


def _list_folder(proc: int, path: str) -> list[str]:
    """Names in the folder; none where the process has gone, or may not be read."""
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


def _stat_fields(proc: int, path: str) -> list[str]:
    return _read_file(proc, f"{path}/stat").rpartition(")")[2].split()


def _read_file(proc: int, path: str) -> str:
    """The file's text; empty where the process has gone, or may not be read."""
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
