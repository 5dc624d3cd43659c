"""The filter on system calls: what a program may not ask of the kernel, as classic BPF.

It names what is refused, since an interpreter with its libraries needs most of the rest; and whatever is newer
than the table is refused too.
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
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into the terminal of whoever started us
_SET_OWNER = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP: signals without kill
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


def _all(names: str) -> list[Rule]:
    return [Rule(name) for name in names.split()]


ALWAYS = [
    *_all("socket connect bind listen accept accept4"),
    # asyncio needs a pair; datagrams could be sent elsewhere from one
    Rule("socketpair", 0, (1,), unless=True),
    Rule("socketpair", 1, (1,), mask=0xF, unless=True),
    *_all("ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd"),
    *_all(
        "mount umount2 mount_setattr open_tree move_mount fsopen fsconfig fsmount fspick pivot_root chroot"
    ),
    *_all("unshare setns bpf perf_event_open userfaultfd keyctl add_key request_key"),
    *_all("io_uring_setup io_uring_enter io_uring_register seccomp capset"),
    *_all("kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct"),
    *_all("quotactl quotactl_fd sethostname setdomainname settimeofday clock_settime clock_adjtime adjtimex"),
    *_all(
        "iopl ioperm modify_ldt personality syslog vhangup lookup_dcookie uselib ustat sysfs nfsservctl _sysctl"
    ),
    *_all("fanotify_init fanotify_mark name_to_handle_at open_by_handle_at"),
    *_all(
        "memfd_create memfd_secret shmget shmat shmctl msgget semget mq_open"
    ),  # memory that no limit counts
    *_all("move_pages migrate_pages mbind set_mempolicy set_mempolicy_home_node vmsplice"),
    *_all("setpriority ioprio_set sched_setattr sched_setscheduler sched_setparam"),
    *_all("landlock_create_ruleset landlock_add_rule landlock_restrict_self"),
    Rule("mmap", 3, (_HUGE,), mask=_HUGE),  # pages that the machine's owner has set aside
    Rule("sched_setaffinity", 0, (0,), unless=True),
    Rule("prlimit64", 0, (0,), unless=True),
    Rule("ioctl", 1, (*_TERMINAL_INPUT, *_SET_OWNER)),
    Rule("clone", 0, (0,), mask=NEW_NAMESPACES, unless=True),
    Rule("clone3", error=errno.ENOSYS),  # its flags lie in memory, where no filter sees them; libc falls back
]


UNCOUNTED = [
    # where no cgroup does it, memory that a process, a file or a descriptor doesn't show is counted by nobody
    Rule("mmap", 3, (_SHARED | _ANONYMOUS,), mask=_SHARED | _ANONYMOUS),
    *_all("splice tee sendfile"),  # pages that are in a pipe or a socket, and in no file any more
    Rule("fcntl", 1, (_SET_PIPE_SIZE,)),
    Rule("setsockopt", 2, _SET_SEND_BUFFER),
    Rule("clone", 0, (_THREAD,), mask=_THREAD | _SHARED_FILES),  # descriptors of one thread alone
    # of a huge page, the part that is mapped is counted, and all of it is held
    Rule("prctl", 0, (PR_SET_THP_DISABLE,)),
    *_all("inotify_init inotify_init1"),  # what happened to files waits in there
]


def alone(pid: int) -> list[Rule]:
    """For a program that shares its pid namespace, and maybe its user, with others: one process, `pid`, to itself."""
    return [
        *_all("fork vfork"),
        Rule("clone", 0, (0,), mask=_THREAD),
        *(
            Rule(name, 0, (0, pid), unless=True)
            for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
        ),
        *_all("tkill pidfd_send_signal"),
        Rule("fcntl", 1, _FCNTL_SET_OWNER),
        Rule("prctl", 0, (1,)),  # the signal that comes when its parent dies
        # Landlock doesn't see these: they'd reach whatever belongs to the same user
        *_all("chmod fchmod fchmodat chown fchown lchown fchownat utime utimes futimesat utimensat truncate"),
        *_all(
            "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr inotify_init inotify_init1"
        ),
    ]


def assemble(rules: list[Rule]) -> bytes:
    """Part of a filter; a rule for a call that this machine lacks says nothing."""
    return b"".join(_assembled(rule, NUMBERS[rule.name]) for rule in rules if rule.name in NUMBERS)


def whole(parts: list[bytes]) -> bytes:
    """The filter of these parts. Foreign machines' calls end the program, what is newer than the table isn't there."""
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


def _assembled(rule: Rule, number: int) -> bytes:
    refuse = _instruction(_RETURN, _ERRNO | rule.error)
    if rule.argument is None:
        return _instruction(_JUMP_EQUAL, number, 0, 1) + refuse
    count = len(rule.values)
    body = _instruction(_LOAD, _FIRST_ARGUMENT + 8 * rule.argument) + _instruction(_AND, rule.mask)
    for place, value in enumerate(rule.values):
        left = count - 1 - place
        # a match goes past the other comparisons: on to the refusal, or past it with `unless`
        hit = left + (1 if rule.unless else 0)
        miss = 0 if left or rule.unless else 1
        body += _instruction(_JUMP_EQUAL, value, hit, miss)
    body += refuse + _instruction(_LOAD, _NUMBER)
    return _instruction(_JUMP_EQUAL, number, 0, len(body) // 8) + body


def _instruction(code: int, value: int, hit: int = 0, miss: int = 0) -> bytes:
    return struct.pack("HBBI", code, hit, miss, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(program: bytes) -> None:
    """For this thread, which must have given up new privileges, and for all that it starts."""
    prctl(PR_SET_SECCOMP, _FILTER, ctypes.byref(_Program(len(program) // 8, program)))
