"""The hostile programs once more, for a gateway that runs as an ordinary user: another way up each isolation level."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
    places = (ROOT / "src", ROOT / "tests", sysconfig.get_paths()["purelib"])
    return subprocess.run(
        command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        cwd="/tmp",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": ":".join(map(str, places)),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


def interpreter() -> str:
    """One of the same version that nobody may run, with our packages."""
    names = [sys.executable, f"python{HERE}", "python3"]
    found = [path for name in names if (path := shutil.which(name, path="/usr/local/bin:/usr/bin:/bin"))]
    for path in found:
        check = f"import sys, msgspec, pytest; sys.exit('%d.%d' % sys.version_info[:2] != {HERE!r})"
        try:
            if as_nobody(path, "-c", check).returncode == 0:
                return path
        except PermissionError:
            continue
    pytest.skip(f"no Python {HERE} here that an ordinary user may run with our packages")


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests run as an ordinary user already")
@pytest.mark.timeout(600)  # 190 programs in one test
def test_hostile_programs() -> None:
    done = as_nobody(
        *(interpreter(), "-m", "pytest", "-p", "no:cacheprovider"),
        str(ROOT / "tests" / "sandbox" / "test_hostile.py"),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "passed" in done.stdout
    for line in done.stdout.splitlines():
        if line.startswith("SKIPPED"):
            print(line)
