"""Limits that the kernel keeps, where this process may make groups."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from sandbox.sandboxes import level_named

from perpend.sandbox import Limits, Sandbox, cgroups
from perpend.sandbox.cgroups import Cgroup


def made() -> Cgroup:
    found = Cgroup.make("test")
    if found is None:
        pytest.skip("cgroups can't be written here")
    return found


async def test_limits_are_written_and_the_group_goes_away() -> None:
    group = made()
    try:
        group.limit(Limits(memory_bytes=64 << 20, processes=5))
        descriptors = group.open_procs()
        assert descriptors
        for fd in descriptors:
            os.close(fd)
        assert not group.out_of_memory()
    finally:
        await group.remove()
    again = made()
    await again.remove()


async def test_says_whether_it_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    await made().remove()
    assert await cgroups.writable()
    monkeypatch.setattr(cgroups, "_parents", list)
    assert not await cgroups.writable()


async def test_memory_that_no_process_has_is_counted() -> None:
    """Files in /tmp are in memory, and no count of processes sees them."""
    await made().remove()
    program = (
        "file = open('/tmp/large', 'wb')\nfor _ in range(200): file.write(bytes(1 << 20))\nprint('written')"
    )
    limits = Limits(memory_bytes=64 << 20, disk_bytes=256 << 20)
    async with Sandbox(1, levels=(level_named("bubblewrap"),)) as box:
        outcome = await box.run(program, limits=limits)
        assert (outcome.killed_by, outcome.stdout) == ("memory", "")
        assert (await box.run("print('next')", limits=limits)).stdout == "next\n"


def test_what_a_killed_process_left_is_swept_away() -> None:
    asyncio.run(made().remove())
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    left = Path(made_folder(), f"perpend-{gone.pid}-0")
    left.mkdir()
    asyncio.run(made().remove())
    assert not left.exists()


def made_folder() -> Path:
    """Where groups are made: that of pids in version 1."""
    places = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    if "pids" not in places:
        pytest.skip("version 2 alone")
    return Path("/sys/fs/cgroup/pids", places["pids"].lstrip("/"))
