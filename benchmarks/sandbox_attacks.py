"""What programs hold in memory at most that hide it from whoever counts, and how surely the end of each is told.

    python -m benchmarks.sandbox_attacks                 # both, some five minutes
    python -m benchmarks.sandbox_attacks --runs 0        # memory alone

Both on each isolation level, without cgroups for the sandbox, as in most containers. What is held is measured by one
around all of it, which has to be writable: the zygote, the supervisor and the program, so a program that does nothing
shows some too.
"""

import argparse
import asyncio
import os
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import machine
from perpend.sandbox import ISOLATION_LEVELS, IsolationLevel, Limits, Outcome, Sandbox, find_isolation_level
from perpend.sandbox.cgroups import Cgroup

LIMITS = Limits(wall_s=10.0, memory_bytes=64 << 20)

_TOOLS = """
import ctypes, os, socket, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
MB = 1 << 20
SHARED, PRIVATE, ANONYMOUS = 1, 2, 32

def address(number):
    return ctypes.c_void_p(number)

def mapped(size, flags, fd=-1, rights=3):
    found = libc.mmap(None, ctypes.c_size_t(size), rights, flags, fd, ctypes.c_long(0))
    if found == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found

def advised_away(flags, fd=-1):
    try:
        while True:
            pages = mapped(MB, flags, fd)
            ctypes.memset(pages, 1, MB)
            libc.madvise(address(pages), ctypes.c_size_t(MB), 4)
    except OSError:
        pass

def in_each_of(count, hold):
    try:
        for _ in range(count - 1):
            if os.fork() == 0:
                break
    except OSError:
        pass
    kept = hold()
    time.sleep(0.4)

def filled(make, write):
    kept = []
    try:
        while True:
            ours, theirs = make()
            kept += [ours, theirs]
            try:
                while True:
                    write(theirs, bytes(MB))
            except BlockingIOError:
                pass
    except OSError:
        return kept

def many_mappings():
    size = 130_000
    pages = mapped(size * 4096, PRIVATE | ANONYMOUS, rights=0)
    for number in range(0, size, 2):
        if libc.mprotect(address(pages + number * 4096), ctypes.c_size_t(4096), 1):
            return
"""

ATTACKS = {
    "nothing": "",
    "pages, kept": "kept = []\nwhile True: kept.append(b'x' * MB)",
    "shared pages, advised away": "advised_away(SHARED | ANONYMOUS)",
    "shared pages of three processes, advised away":
        "in_each_of(3, lambda: advised_away(SHARED | ANONYMOUS))",
    "pages of /dev/zero": "advised_away(SHARED, os.open('/dev/zero', os.O_RDWR))",
    "huge pages, of which one part in 512 is kept": """
for _ in range(500):
    start = mapped(4 * MB, PRIVATE | ANONYMOUS)
    huge = (start + 2 * MB - 1) & -(2 * MB)
    libc.madvise(address(huge), ctypes.c_size_t(2 * MB), 14)
    ctypes.memset(huge, 1, 2 * MB)
    for first, last in ((start, huge), (huge + 4096, start + 4 * MB)):
        if last > first:
            libc.munmap(address(first), ctypes.c_size_t(last - first))
""",
    "a process whose first thread has ended": """
def hold():
    time.sleep(0.1)
    kept = []
    try:
        while True: kept.append(b'x' * MB)
    except MemoryError:
        time.sleep(1)
        os._exit(0)
threading.Thread(target=hold).start()
libc.syscall(60, 0)
""",
    "files in /tmp, and pages": """
try:
    file = open('/tmp/file', 'wb')
    while True: file.write(b'x' * MB)
except OSError:
    pass
kept = b'x' * (40 * MB)
time.sleep(0.5)
""",
    "sockets' buffers of 20 processes": """
def pair():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    try:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
    except OSError:
        pass
    return ours, theirs
in_each_of(20, lambda: filled(pair, lambda end, data: end.send(data)))
""",
    "pipes' buffers of 20 processes": """
import fcntl
def pair():
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    try:
        fcntl.fcntl(theirs, 1031, 1 << 20)
    except OSError:
        pass
    return ours, theirs
in_each_of(20, lambda: filled(pair, os.write))
""",
    "records of mappings, in 30 forks": "many_mappings()\nin_each_of(30, int)",
    "tables of pages of 30 processes": """
def hold():
    pages = mapped(900 * MB, PRIVATE | ANONYMOUS)
    for at in range(0, 900 * MB, 2 * MB):
        ctypes.c_char.from_address(pages + at).value
in_each_of(30, hold)
""",
}  # fmt: skip

_PATIENT = Limits(wall_s=20.0, cpu_s=20.0, memory_bytes=96 << 20, processes=8, output_bytes=10_000)
ENDINGS = {
    "a loop": ("while True: pass", Limits(wall_s=0.15), "wall"),
    "sleep": ("import time\ntime.sleep(99)", Limits(wall_s=0.15), "wall"),
    "a loop, by CPU": ("while True: pass", Limits(cpu_s=0.1), "cpu"),
    "memory, piece by piece": ("kept = []\nwhile True: kept.append(b'x' * 100_000)", _PATIENT, "memory"),
    "memory, at once": ("bytearray(1 << 34)", _PATIENT, "memory"),
    "threads": (
        "import threading, time\nfor _ in range(9): threading.Thread(target=time.sleep, args=(9,)).start()",
        _PATIENT,
        "processes",
    ),
    "a flood on stdout": ("while True: print('flood')", _PATIENT, "output"),
    "a bad pointer": ("import ctypes; ctypes.string_at(8)", _PATIENT, "SIGSEGV"),
    "by itself": ("raise SystemExit(3)", _PATIENT, None),
}
"""Name -> program, limits, what ends it."""

_JUDGE = "import os\nwhile os.read(3, 100): pass"


@contextmanager
def uncounted() -> Generator[None]:
    """No cgroups for sandboxes, as in most containers."""
    before = Cgroup.make
    Cgroup.make = classmethod(lambda _cls, _name: None)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Cgroup.make = before  # type: ignore[method-assign]


class Held:
    """A cgroup that this process is in meanwhile, with whatever it starts."""

    def __init__(self) -> None:
        """Raises OSError where there can be none."""
        self._folder = _own() / f"attacks-{os.getpid()}"
        self._folder.mkdir()

    def __enter__(self) -> "Held":
        (self._folder / "cgroup.procs").write_text("0")
        return self

    def most(self) -> int:
        """Bytes, since it was made."""
        names = ("memory.peak", "memory.max_usage_in_bytes")
        return int(next(self._folder / name for name in names if (self._folder / name).exists()).read_text())

    def __exit__(self, *_: object) -> None:
        (self._folder.parent / "cgroup.procs").write_text("0")
        while self._folder.exists():  # the kernel is done with what has ended a moment later
            with suppress(OSError):
                self._folder.rmdir()


def _own() -> Path:
    """This process's folder in the hierarchy that counts memory: of version 1, or of version 2."""
    places = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    kinds = "memory" if "memory" in places else ""
    return Path("/sys/fs/cgroup", kinds, places[kinds].lstrip("/"))


async def attack(level: IsolationLevel, program: str) -> tuple[Outcome, int]:
    """How it ended, and what was held at most. Raises OSError where that can't be measured."""
    with uncounted(), Held() as held:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(_TOOLS + program, limits=LIMITS)
        return outcome, held.most()


async def endings(level: IsolationLevel, name: str, runs: int, judge: str | None) -> Counter[str | None]:
    program, limits, _ = ENDINGS[name]
    with uncounted():
        async with Sandbox(2, levels=(level,)) as box:
            told = await asyncio.gather(*(box.run(program, limits=limits, judge=judge) for _ in range(runs)))
    return Counter(outcome.killed_by for outcome in told)


async def _report(runs: int) -> None:
    levels = [
        level for level in ISOLATION_LEVELS if (await find_isolation_level((level,)))[-1].failure is None
    ]
    print(
        f"{f'held at most, MiB; limit {LIMITS.memory_bytes >> 20}':46}",
        *(f"{level.name:>17}" for level in levels),
    )
    for name, program in ATTACKS.items():
        told = [await attack(level, program) for level in levels]
        print(f"{name:46}", *(f"{held / 2**20:7.0f} {one.killed_by!s:>9}" for one, held in told), flush=True)
    if not runs:
        return
    print(f"{f'told rightly of {runs}, alone + with a judge':46}", *(f"{level.name:>17}" for level in levels))
    for name, (_, _, by) in ENDINGS.items():
        right = [
            [(await endings(level, name, runs, judge))[by] for judge in (None, _JUDGE)] for level in levels
        ]
        print(f"{name:46}", *(f"{alone:>13} + {judged}" for alone, judged in right), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100, help="of each ending (default 100)")
    options = parser.parse_args()
    print(machine.one_line())
    asyncio.run(_report(options.runs))


if __name__ == "__main__":
    main()
