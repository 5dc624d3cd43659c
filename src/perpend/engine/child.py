"""The process that holds one model: `python -m perpend.engine.child LAUNCH`, with LAUNCH as JSON.

It serves llama.cpp's own HTTP API on a loopback port, says where in one line of JSON on stdout, and lives until
its stdin ends: a parent that goes away, even by kill -9, takes it along. Its log is its stderr.
"""

import contextlib
import ctypes
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

CANT_START = 3
"""Exit status: the server refused these weights or settings, and would again."""
_QUIET = 2
"""Verbosity: warnings and errors, never a prompt."""
_PR_SET_PDEATHSIG = 1


class EngineLaunch(Struct, frozen=True):
    model: str
    """Path of the GGUF file."""
    slots: int
    context: int
    """Tokens per slot."""
    threads: int
    cache_mib: int
    binary: str | None = None
    """A `llama-server` to run in place of the wheel's."""


class Listening(Struct, frozen=True):
    """What the child says when it has an address; with a `binary` the model may still be loading."""

    url: str


def main(argument: str) -> NoReturn:
    launch = msgspec.json.decode(argument, type=EngineLaunch)
    announce_fd = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    if launch.binary:
        _run_binary(launch, announce_fd)
    server = _start_wheel(launch)
    _announce(announce_fd, server.listening_address)
    _wait_for_parent()
    os._exit(0)  # nothing to save; tearing down would wait for running requests


def die_with_parent() -> None:
    """On Linux: covers the time in which a loading model keeps this process from reading stdin."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _start_wheel(launch: EngineLaunch) -> Any:
    llama: Any = importlib.import_module("xllamacpp")  # a C extension without types
    params = llama.CommonParams()
    params.model.path = launch.model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.cors_origins = "localhost"  # no web page elsewhere reads answers
    params.n_parallel = launch.slots
    params.n_ctx = launch.slots * launch.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = launch.threads
    params.cache_prompt = True
    params.cache_ram_mib = launch.cache_mib
    params.endpoint_slots = params.endpoint_metrics = True
    params.ui = params.endpoint_props = False
    params.fit_params = False  # sizes are settled; fitting would load the model twice
    params.verbosity = _QUIET
    try:
        return llama.Server(params)
    except RuntimeError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(CANT_START)


def binary_command(launch: EngineLaunch, port: int) -> list[str]:
    """The same settings as flags of `llama-server`."""
    return [
        *[str(launch.binary), "--model", launch.model, "--host", "127.0.0.1", "--port", str(port)],
        *["--parallel", str(launch.slots), "--ctx-size", str(launch.slots * launch.context)],
        *["--threads", str(launch.threads), "--threads-batch", str(launch.threads)],
        *["--cache-ram", str(launch.cache_mib), "--slots", "--metrics", "--no-webui"],
    ]


def _run_binary(launch: EngineLaunch, announce_fd: int) -> NoReturn:
    port = _free_port()
    try:
        # by environment: older builds ignore an unknown variable, but refuse an unknown flag
        environment = {**os.environ, "LLAMA_ARG_CORS_ORIGINS": "localhost"}
        server = subprocess.Popen(
            binary_command(launch, port),
            stdin=subprocess.DEVNULL,
            env=environment,
            preexec_fn=die_with_parent,  # noqa: PLW1509 -- this process has one thread still
        )
    except OSError as error:
        print(f"{launch.binary} can't be run: {error}", file=sys.stderr, flush=True)
        os._exit(CANT_START)
    signal.signal(signal.SIGTERM, lambda number, frame: _end(server))
    threading.Thread(target=lambda: os._exit(_status(server.wait())), daemon=True).start()
    _announce(announce_fd, f"http://127.0.0.1:{port}")
    _wait_for_parent()
    _end(server)


def _status(code: int) -> int:
    """Of a server that ended by itself; by a signal counts as a crash, which a restart may mend."""
    return CANT_START if code > 0 else 1


def _end(server: subprocess.Popen[bytes]) -> NoReturn:
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(timeout=3)
    server.kill()
    os._exit(0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _announce(descriptor: int, url: str) -> None:
    os.write(descriptor, msgspec.json.encode(Listening(url)) + b"\n")
    os.close(descriptor)


def _wait_for_parent() -> None:
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
