"""A network namespace with nothing but loopback: what is measured in it can reach nobody."""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

INSIDE = "PERPEND_BENCH_INSIDE"
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1


def available() -> bool:
    command = ["unshare", "--map-root-user", "--net", "true"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def inside() -> bool:
    return INSIDE in os.environ


def enter() -> None:
    """Start this script again inside; doesn't return."""
    script = [sys.executable, *sys.orig_argv[1:]]
    env = {**os.environ, INSIDE: "1"}
    os.execvpe("unshare", ["unshare", "--map-root-user", "--net", *script], env)


def raise_loopback() -> None:
    """A new namespace's loopback is down."""
    with socket.socket() as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
