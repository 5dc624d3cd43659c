"""What a run finds: a scratch folder, and the interpreter wherever it lies."""

import asyncio
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

from sandbox.sandboxes import level_named

import perpend
from perpend.sandbox import Sandbox

PROGRAM = """
import os, subprocess, sys
print(os.statvfs(sys.prefix).f_flag & os.ST_RDONLY)
print(subprocess.run([sys.executable, "-c", "print(45)"], capture_output=True, text=True))
"""


async def run(program: str) -> str:
    async with Sandbox(1, levels=(level_named("bubblewrap"),)) as box:
        outcome = await box.run(program)
    return outcome.stdout + outcome.stderr


def test_an_interpreter_in_the_folder_that_is_made_anew_is_there_and_read_only() -> None:
    level_named("bubblewrap")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        venv.create(folder, symlinks=True)
        places = (
            Path(perpend.__file__).parents[1],
            Path(__file__).parents[2],
            sysconfig.get_paths()["purelib"],
        )
        done = subprocess.run(
            [f"{folder}/bin/python", "-m", "sandbox.inside.test_supervisor"],
            env={**os.environ, "PYTHONPATH": ":".join(map(str, places))},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    flag, started = done.stdout.splitlines()
    assert flag == "1"
    assert "returncode=0, stdout='45\\n'" in started


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(run(PROGRAM)))
