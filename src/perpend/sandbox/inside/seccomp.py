"""The seccomp filter: system calls that a program may not make, as classic BPF.

It lists refused calls, since an interpreter with its libraries needs most of the others; calls newer than the table
are refused too. Reference: https://docs.kernel.org/userspace-api/seccomp_filter.html.
"""

import ctypes
import errno
import struct
from typing import NamedTuple

from .libc import MACHINE, PR_SET_SECCOMP, PR_SET_THP_DISABLE, prctl
from .syscalls import KNOWN_UP_TO, NUMBERS

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _AND, _RETURN = 0x20, 0x15, 0x25, 0x54, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_FILTER = 2

NEW_NAMESPACES = 0x7E020000
"""Flags of clone: user, pid, net, ipc, uts, cgroup and mount namespaces."""
_THREAD = 0x00010000
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: input to the terminal that Perpend was started from
_SET_OWNER = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP: they send signals without kill
_FCNTL_SET_OWNER = (8, 15)
_SET_PIPE_SIZE = 1031
_SET_SEND_BUFFER = (7, 32)
_SHARED, _ANONYMOUS, _HUGE = 0x01, 0x20, 0x40000
_SHARED_FILES = 0x0400


class Rule(NamedTuple):
    """Refuses a call; with an `argument`, only where (argument & mask) is, or with `unless` isn't, in `values`."""

    name: str
    argument: int | None = None
    values: tuple[int, ...] = ()
    mask: int = 0xFFFFFFFF
    unless: bool = False
    error: int = errno.EPERM


def _refusals(names: str) -> list[Rule]:
    return [Rule(name) for name in names.split()]


ALWAYS = [
    *_refusals("socket connect bind listen accept accept4"),
    # asyncio needs a stream pair; a datagram socket could send elsewhere
    Rule("socketpair", 0, (1,), unless=True),
    Rule("socketpair", 1, (1,), mask=0xF, unless=True),
    *_refusals("ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd"),
    *_refusals(
        "mount umount2 mount_setattr open_tree move_mount fsopen fsconfig fsmount fspick pivot_root chroot"
    ),
    *_refusals("unshare setns bpf perf_event_open userfaultfd keyctl add_key request_key"),
    *_refusals("io_uring_setup io_uring_enter io_uring_register seccomp capset"),
    *_refusals(
        "kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct"
    ),
    *_refusals(
        "quotactl quotactl_fd sethostname setdomainname settimeofday clock_settime clock_adjtime adjtimex"
    ),
    *_refusals(
        "iopl ioperm modify_ldt personality syslog vhangup lookup_dcookie uselib ustat sysfs nfsservctl _sysctl"
    ),
    *_refusals("fanotify_init fanotify_mark name_to_handle_at open_by_handle_at"),
    *_refusals(
        "memfd_create memfd_secret shmget shmat shmctl msgget semget mq_open"
    ),  # memory that no limit counts
    *_refusals("move_pages migrate_pages mbind set_mempolicy set_mempolicy_home_node vmsplice"),
    *_refusals("setpriority ioprio_set sched_setattr sched_setscheduler sched_setparam"),
    *_refusals("landlock_create_ruleset landlock_add_rule landlock_restrict_self"),
    Rule("mmap", 3, (_HUGE,), mask=_HUGE),  # pages that the machine's owner has reserved
    Rule("sched_setaffinity", 0, (0,), unless=True),
    Rule("prlimit64", 0, (0,), unless=True),
    Rule("ioctl", 1, (*_TERMINAL_INPUT, *_SET_OWNER)),
    Rule("clone", 0, (0,), mask=NEW_NAMESPACES, unless=True),
    Rule(
        "clone3", error=errno.ENOSYS
    ),  # a filter can't see its flags, which are in memory; libc falls back to clone
]


UNCOUNTED = [
    # memory that no process, file or descriptor shows, which only a cgroup counts
    Rule("mmap", 3, (_SHARED | _ANONYMOUS,), mask=_SHARED | _ANONYMOUS),
    *_refusals("splice tee sendfile"),  # pages that are in a pipe or a socket, and in no file any more
    Rule("fcntl", 1, (_SET_PIPE_SIZE,)),
    Rule("setsockopt", 2, _SET_SEND_BUFFER),
    Rule("clone", 0, (_THREAD,), mask=_THREAD | _SHARED_FILES),  # descriptors of one thread alone
    # of a huge page only the mapped part is counted, while all of it is held
    Rule("prctl", 0, (PR_SET_THP_DISABLE,)),
    *_refusals("inotify_init inotify_init1"),  # they queue events in memory
]


def single_process(pid: int) -> list[Rule]:
    """Rules for a program that shares its pid namespace, and maybe its user: one process, signals to `pid` alone."""
    return [
        *_refusals("fork vfork"),
        Rule("clone", 0, (0,), mask=_THREAD),
        *(
            Rule(name, 0, (0, pid), unless=True)
            for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
        ),
        *_refusals("tkill pidfd_send_signal"),
        Rule("fcntl", 1, _FCNTL_SET_OWNER),
        Rule("prctl", 0, (1,)),  # PR_SET_PDEATHSIG
        # Landlock doesn't restrict these, which reach all files of the same user
        *_refusals(
            "chmod fchmod fchmodat chown fchown lchown fchownat utime utimes futimesat utimensat truncate"
        ),
        *_refusals(
            "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr inotify_init inotify_init1"
        ),
    ]


def assemble(rules: list[Rule]) -> bytes:
    """Assembles part of a filter; rules for calls that this machine lacks are left out."""
    return b"".join(_assemble_rule(rule, NUMBERS[rule.name]) for rule in rules if rule.name in NUMBERS)


def complete(parts: list[bytes]) -> bytes:
    """The whole filter. Another architecture's calls kill the program; calls newer than the table get ENOSYS."""
    head = [
        _instruction(_LOAD, _ARCH),
        _instruction(_JUMP_EQUAL, _AUDIT_ARCH[MACHINE], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
        _instruction(_JUMP_GREATER, _X32 - 1, 0, 1),
        _instruction(_RETURN, _KILL),
        _instruction(_JUMP_GREATER, KNOWN_UP_TO, 0, 1),
        _instruction(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    return b"".join([*head, *parts, _instruction(_RETURN, _ALLOW)])


def _assemble_rule(rule: Rule, number: int) -> bytes:
    refuse = _instruction(_RETURN, _ERRNO | rule.error)
    if rule.argument is None:
        return _instruction(_JUMP_EQUAL, number, 0, 1) + refuse
    count = len(rule.values)
    body = _instruction(_LOAD, _FIRST_ARGUMENT + 8 * rule.argument) + _instruction(_AND, rule.mask)
    for position, value in enumerate(rule.values):
        remaining = count - 1 - position
        # a match jumps over the other comparisons: to the refusal, or with `unless` past it
        match = remaining + (1 if rule.unless else 0)
        miss = 0 if remaining or rule.unless else 1
        body += _instruction(_JUMP_EQUAL, value, match, miss)
    body += refuse + _instruction(_LOAD, _NUMBER)
    return _instruction(_JUMP_EQUAL, number, 0, len(body) // 8) + body


def _instruction(code: int, value: int, match: int = 0, miss: int = 0) -> bytes:
    return struct.pack("HBBI", code, match, miss, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(program: bytes) -> None:
    """Installs a filter for this thread, which needs PR_SET_NO_NEW_PRIVS, and all that it starts. Raises OSError."""
    prctl(PR_SET_SECCOMP, _FILTER, ctypes.byref(_Program(len(program) // 8, program)))
