"""Users of slots: no two slots on a machine run as the same one at once, whichever process started them."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE

import pytest
from sandbox.sandboxes import NAMES, level_named

from perpend.errors import SandboxUnavailable
from perpend.sandbox import Sandbox, users

UID = 100_000 + os.getpid()
"""No other test's."""
OTHER_PROCESS = """
import asyncio, sys
from perpend.sandbox import ISOLATION_LEVELS, Sandbox, users

users.UIDS = [int(sys.argv[2])]

async def main():
    level = next(level for level in ISOLATION_LEVELS if level.name == sys.argv[1])
    async with Sandbox(1, levels=(level,)) as box:
        print((await box.run("import os; print(os.getuid())")).stdout, end="", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose the user that a program runs as")
@pytest.mark.parametrize("name", NAMES)
async def test_a_user_is_one_processs_until_it_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    level = level_named(name)
    monkeypatch.setattr(users, "UIDS", [UID])
    command = (sys.executable, "-c", OTHER_PROCESS, name, str(UID))
    other = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert other.stdout
    try:
        assert await other.stdout.readline() == f"{UID}\n".encode()
        async with Sandbox(1, levels=(level,)) as box:
            with pytest.raises(SandboxUnavailable, match="all 1 users"):
                await box.run("")
    finally:
        other.kill()
        await other.wait()
    async with asyncio.timeout(10):
        while True:  # its zygote ends a moment after it
            try:
                async with Sandbox(1, levels=(level,)) as box:
                    outcome = await box.run("import os; print(os.getuid())")
                break
            except SandboxUnavailable:
                await asyncio.sleep(0.02)
    assert outcome.stdout == f"{UID}\n"
