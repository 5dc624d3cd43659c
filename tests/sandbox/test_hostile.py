"""Every hostile program is contained, on every isolation level, and nothing of it is left."""

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sandbox.hostile import HOSTILE, Hostile
from sandbox.sandboxes import NAMES, Boxes, children

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, str]]:
    """What hostile programs look for: a server, and a file that anybody may read."""
    with socket.create_server(("127.0.0.1", 0)) as server, TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        secret = Path(folder, "secret")
        secret.write_text("secret")
        yield {"port": str(server.getsockname()[1]), "secret": str(secret), "checkout": str(ROOT)}


@pytest.fixture(scope="module")
def boxes() -> Iterator[Boxes]:
    with Boxes() as opened:
        yield opened


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERPEND_HOSTILE_SECRET", "secret")


def filled(row: Hostile, facts: dict[str, str]) -> str:
    text = row.program
    for name, value in facts.items():
        text = text.replace(f"{{{name}}}", value)
    return text.replace("{{", "{").replace("}}", "}")


def processes() -> int:
    """Our zygotes, and what was forked by one."""
    found = 0
    for pid in children():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"inside.zygote" in command and b"bwrap" not in command.split(b"\0")[0]:
            found += 1
    return found


def here(row: Hostile) -> Hostile:
    if row.x86 and platform.machine() != "x86_64":
        pytest.skip("numbers of another machine")
    return row


@pytest.mark.parametrize("level", NAMES)
class TestContained:
    @pytest.mark.parametrize("row", HOSTILE, ids=lambda row: row.name)
    def test_program(self, level: str, row: Hostile, facts: dict[str, str], boxes: Boxes) -> None:
        program = filled(here(row), facts)
        outcome = boxes.run(level, program, row.limits)
        assert row.contained(outcome), f"contained means: {row.means}; {outcome}"
        assert boxes.run(level, "print('still here')").stdout == "still here\n"
        boxes.settle(processes)


@pytest.mark.parametrize("row", [row for row in HOSTILE if row.control], ids=lambda row: row.name)
def test_a_plain_interpreter_lets_it(row: Hostile, facts: dict[str, str], tmp_path: Path) -> None:
    program = filled(here(row), facts)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env=os.environ,
    )
    assert "reached" in done.stdout, done
