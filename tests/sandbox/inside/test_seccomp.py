"""The filter says what its rules say: read by a small reader of classic BPF."""

import errno
import platform
import struct

import pytest

from perpend.sandbox.inside.seccomp import (
    ALWAYS,
    NEW_NAMESPACES,
    UNCOUNTED,
    assemble,
    complete,
    single_process,
)
from perpend.sandbox.inside.syscalls import KNOWN_UP_TO, NUMBERS

pytestmark = pytest.mark.skipif(not NUMBERS, reason=f"no filter for {platform.machine()}")

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(platform.machine(), 0)
ALLOWED = "allowed"
PID = 4321


def verdict(number: int, *arguments: int, arch: int = ARCH, program: bytes | None = None) -> str:
    """What a filter of all the rules says of a call."""
    program = program or complete([assemble(ALWAYS), assemble(single_process(PID))])
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("IIQ6Q", number, arch, 0, *padded)
    instructions = list(struct.iter_unpack("HBBI", program))
    at = value = 0
    while True:
        code, hit, miss, operand = instructions[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("I", data, operand)
        elif code == 0x54:
            value &= operand
        elif code == 0x15:
            at += hit if value == operand else miss
        elif code == 0x25:
            at += hit if value > operand else miss
        else:
            assert code == 0x06
            if operand == 0x7FFF0000:
                return ALLOWED
            return "killed" if operand == 0x80000000 else errno.errorcode[operand & 0xFFFF]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("socket", (2, 1, 0), "EPERM"),
        ("socketpair", (1, 1), ALLOWED),
        ("socketpair", (1, 1 | 0o2000000), ALLOWED),
        ("socketpair", (1, 2), "EPERM"),
        ("socketpair", (2, 1), "EPERM"),
        ("clone", (0x3D0F00,), ALLOWED),
        ("clone", (17,), "EPERM"),
        ("clone", (0x3D0F00 | 0x10000000,), "EPERM"),
        ("clone3", (), "ENOSYS"),
        ("kill", (PID, 9), ALLOWED),
        ("kill", (0, 9), ALLOWED),
        ("kill", (1, 9), "EPERM"),
        ("kill", (2**32 - 1, 9), "EPERM"),
        ("tgkill", (PID, 7, 9), ALLOWED),
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (1, 7), "EPERM"),
        ("ioctl", (0, 0x5412), "EPERM"),
        ("ioctl", (0, 0x5401), ALLOWED),
        ("ioctl", (0, 0xFFFFFFFF_00005412), "EPERM"),
        ("fcntl", (0, 8), "EPERM"),
        ("fcntl", (0, 1), ALLOWED),
        ("prctl", (1, 0), "EPERM"),
        ("prctl", (15, 0), ALLOWED),
    ],
)
def test_rules(name: str, arguments: tuple[int, ...], said: str) -> None:
    assert verdict(NUMBERS[name], *arguments) == said


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("mmap", (0, 4096, 3, 0x22), ALLOWED),
        ("mmap", (0, 4096, 3, 0x01), ALLOWED),
        ("mmap", (0, 4096, 3, 0x21), "EPERM"),
        ("mmap", (0, 4096, 3, 0x23), "EPERM"),
        ("mmap", (0, 4096, 3, 0xFFFFFFFF_00008021), "EPERM"),
        ("fcntl", (0, 1031), "EPERM"),
        ("fcntl", (0, 1032), ALLOWED),
        ("setsockopt", (0, 1, 7), "EPERM"),
        ("setsockopt", (0, 1, 8), ALLOWED),
        ("clone", (0x3D0F00,), ALLOWED),
        ("clone", (0x3D0B00,), "EPERM"),
        ("clone", (17,), ALLOWED),
        ("prctl", (41, 0), "EPERM"),
        ("splice", (), "EPERM"),
        ("sendfile", (), "EPERM"),
    ],
)
def test_where_no_cgroup_counts(name: str, arguments: tuple[int, ...], said: str) -> None:
    program = complete([assemble(ALWAYS), assemble(UNCOUNTED)])
    assert verdict(NUMBERS[name], *arguments, program=program) == said


def test_pages_that_are_set_aside_are_nobodys() -> None:
    assert verdict(NUMBERS["mmap"], 0, 1 << 21, 3, 0x40022) == "EPERM"
    assert verdict(NUMBERS["mmap"], 0, 4096, 3, 0x21) == ALLOWED


def test_every_call_that_has_no_condition_is_refused() -> None:
    for rule in ALWAYS:
        if rule.argument is None and rule.name in NUMBERS:
            assert verdict(NUMBERS[rule.name]) in ("EPERM", "ENOSYS"), rule


def test_the_rest_is_allowed() -> None:
    named = {NUMBERS[rule.name] for rule in [*ALWAYS, *single_process(PID)] if rule.name in NUMBERS}
    assert {verdict(number) for number in range(KNOWN_UP_TO + 1) if number not in named} == {ALLOWED}


def test_newer_calls_arent_there_and_other_machines_calls_kill() -> None:
    assert verdict(KNOWN_UP_TO + 1) == "ENOSYS"
    assert verdict(0x40000000 | 41) == "killed"
    assert verdict(0, arch=0x40000003) == "killed"


def test_in_namespaces_processes_are_free() -> None:
    program = complete([assemble(ALWAYS)])
    assert verdict(NUMBERS["clone"], 17, program=program) == ALLOWED
    assert verdict(NUMBERS["clone"], 17 | NEW_NAMESPACES, program=program) == "EPERM"
    assert verdict(NUMBERS["kill"], 1, program=program) == ALLOWED
