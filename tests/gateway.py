"""`perpend serve` as a process of its own, as users run it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class Gateway:
    def __init__(self, home: Path, port: int | None = None, workers: int | None = None) -> None:
        """`port` None: one that is free; `workers` None: as the config has it."""
        port = _free_port() if port is None else port
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self._log = home / "gateway.log"
        options = [] if workers is None else ["--workers", str(workers)]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "perpend", "serve", "--port", str(port), *options],
                env={**os.environ, "PERPEND_HOME": str(home)},
                cwd=home,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def children(self) -> dict[int, str]:
        """The command line of each process that it has started, by its id."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return {int((parts := line.split(maxsplit=1))[0]): parts[1] for line in listed.stdout.splitlines()}

    @property
    def workers(self) -> list[int]:
        return [pid for pid, line in self.children.items() if "perpend.cli.serve.worker" in line]

    def wait_ready(self) -> None:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=2).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self.process.poll() is None, "the gateway ended"
                time.sleep(0.05)
        raise AssertionError("the gateway didn't become ready")

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as response:
            return response.read().decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(home: Path, port: int | None = None) -> Generator[Gateway, None, None]:
    gateway = Gateway(home, port)
    try:
        gateway.wait_ready()
        yield gateway
    finally:
        gateway.process.terminate()
        gateway.process.wait(timeout=30)


def small_model(home: Path, weights: Path) -> None:
    """A config that serves `weights` as `small`."""
    (home / "perpend.toml").write_text(
        f'[defaults]\nmodel = "small"\ncheap_model = "small"\n[models.small]\ngguf = {json.dumps(str(weights))}\n'
        'family = "tiny"\n[engine]\nslots = 2\ncontext = 1024\n'
    )
