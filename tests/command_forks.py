"""Forks of a process that has loaded every command: each is one of its own, without a second of imports.

python -m command_forks FD    # as `Forks` starts it, with its end of a socket
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_LOADED = (
    "alembic.operations",
    "perpend.runtime",
    "perpend.serving.app",
    "perpend.serving.server",
    "perpend.storage.migrate",
    "perpend.evals.runs.run",
)


class Forks:
    """Commands one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(240)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "command_forks", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parent,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self.close)

    @property
    def ended(self) -> int | None:
        """Its status, where it has gone."""
        return self._process.poll()

    def run(
        self, arguments: Sequence[str], stdin: IO[bytes], environment: Mapping[str, str], cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Raises TimeoutError after four minutes, or OSError or ValueError where the process that forks has gone."""
        new = tempfile.TemporaryFile
        with self._lock, new() as asked, new() as out, new() as err:
            asked.write(json.dumps([arguments, dict(environment), str(cwd)]).encode())
            asked.flush()
            given = [stream.fileno() for stream in (stdin, out, err, asked)]
            socket.send_fds(self._channel, [b"?"], given)
            ended = int(self._channel.recv(16))
            said = [_text(stream) for stream in (out, err)]
        return subprocess.CompletedProcess(["perpend", *arguments], ended, *said)

    def kill(self) -> None:
        """With the command that runs: its answer would be taken for the next one's."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        self._channel.close()
        self._process.wait(timeout=10)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode().replace("\r\n", "\n")


def main(descriptor: int) -> int | str | None:
    import importlib

    from perpend.cli.main import app, main

    _load(app)
    for name in _LOADED:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork has one thread alone"
    gc.freeze()
    channel = socket.socket(fileno=descriptor)
    while True:
        message, given, _, _ = socket.recv_fds(channel, 1, 4)
        if not message:
            return 0
        pid = os.fork()
        if pid == 0:
            channel.close()
            _become(*given)
            return main()
        for fd in given:
            os.close(fd)
        channel.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def _load(group: Any) -> None:
    for command in group.resolved_commands().values():
        if command is not group and "--help" not in command.name:
            _load(command)


def _become(stdin: int, stdout: int, stderr: int, asked: int) -> None:
    """What a new process of that command line would be."""
    arguments, environment, cwd = json.loads(os.pread(asked, os.fstat(asked).st_size, 0))
    for place, fd in enumerate((stdin, stdout, stderr)):
        os.dup2(fd, place)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv[1:] = arguments
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
