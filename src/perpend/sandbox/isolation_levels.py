"""Isolation levels: ways to contain a program, the strongest first. A level works when a program
has run on it."""

import itertools
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from perpend.errors import SandboxUnavailable
from perpend.sandbox import inside
from perpend.sandbox.inside.confine import Setup
from perpend.sandbox.inside.landlock import abi
from perpend.sandbox.inside.libc import MACHINE
from perpend.sandbox.inside.syscalls import NUMBERS
from perpend.sandbox.slot import Slot, SlotLaunch
from perpend.sandbox.users import take_user

_INSIDE = Path(inside.__file__).parent
_MOUNT_POINT = Path("/run/perpend")
_SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64")
_ETC_FILES = ("ld.so.cache", "localtime", "alternatives")
_DEVICES = {name: name for name in ("null", "full", "random", "urandom")} | {"zero": "full"}
"""Device in the sandbox -> device of the host. Mappings of /dev/zero aren't counted; /dev/full reads the same."""
_ROOT_CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SETUID", "CAP_SETGID", "CAP_KILL")
_NUMBERS = itertools.count()
"""Numbers of this process's slots; each has a cgroup of its own."""
_PROBE = """
import socket
try:
    socket.socket()
except PermissionError:
    print("contained")
"""


class IsolationLevel(Struct, frozen=True):
    """A way to contain programs."""

    name: str
    promises: str
    launch: Callable[[int], SlotLaunch]
    """Prepares the slot of that number. Raises SandboxUnavailable."""

    async def start(self) -> Slot:
        """Starts a slot. Raises SandboxUnavailable."""
        number = next(_NUMBERS)
        return await Slot.start(self.launch(number), str(number))


class LevelTrial(Struct, frozen=True):
    """The result of running a test program on a level."""

    level: IsolationLevel
    failure: str | None
    """Why the level doesn't work here; None where it works."""


def _zygote_command(folder: Path) -> list[str]:
    code = f"import sys; sys.path.append({str(folder)!r}); from inside.zygote import main; main(sys.argv[1])"
    return [sys.executable, "-P", "-s", "-B", "-c", code]


_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""The hash seed is fixed so that no verdict depends on the order of a set."""


def _prefixes() -> list[str]:
    """Folders of the interpreter and its packages."""
    return list(dict.fromkeys((sys.base_prefix, sys.prefix)))


def _bubblewrap(number: int) -> SlotLaunch:
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxUnavailable("bubblewrap isn't installed", hint="apt install bubblewrap")
    root = os.geteuid() == 0
    command = [
        program,
        *(f"--unshare-{kind}" for kind in ("pid", "net", "ipc", "uts", "cgroup-try")),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv", "--cap-drop", "ALL"),
    ]
    if not root:
        command += ["--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"]
    for capability in _ROOT_CAPABILITIES if root else _ROOT_CAPABILITIES[:2]:
        command += ["--cap-add", capability]
    for name, value in _ENVIRONMENT.items():
        command += ["--setenv", name, value]
    command += [*_mounts(), "--remount-ro", "/", "--chdir", "/", "--", *_zygote_command(_MOUNT_POINT)]
    user = take_user(number)
    return SlotLaunch(command, Setup(namespaces=True, uid=user.uid), locks=user.locks)


def _mounts() -> list[str]:
    """Mounts the system and the interpreter read-only, with the few files of /etc and /dev that they need."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    # the parents of a prefix are created empty: one such as /root is closed to other users
    parents = {
        folder
        for prefix in _prefixes()
        for folder in Path(prefix).parents
        if str(folder) not in ("/", "/usr")
    }
    for folder in sorted({*map(str, parents), "/dev", "/etc", "/run", str(_MOUNT_POINT)}):
        arguments += ["--perms", "0755", "--dir", folder]
    for name in _ETC_FILES:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for prefix in _prefixes():
        arguments += ["--ro-bind", prefix, prefix]
    arguments += ["--ro-bind", str(_INSIDE), str(_MOUNT_POINT / "inside"), "--proc", "/proc", "--dir", "/tmp"]  # noqa: S108
    for device, host_device in _DEVICES.items():
        arguments += ["--dev-bind", f"/dev/{host_device}", f"/dev/{device}"]
    return [*arguments, "--symlink", "/tmp", "/dev/shm"]  # noqa: S108 -- semaphores are files there


def _landlock(number: int) -> SlotLaunch:
    if abi() == 0:
        raise SandboxUnavailable("the kernel has no Landlock, or has it switched off")
    readable = [
        "/usr",
        *(f"/{name}" for name in _SYSTEM_FOLDERS),
        *_prefixes(),
        *(f"/etc/{name}" for name in _ETC_FILES),
    ]
    root = os.geteuid() == 0
    override = root and not all(_open_to_all(Path(prefix)) for prefix in _prefixes())
    user = take_user(number)
    setup = Setup(namespaces=False, uid=user.uid, readable=readable, override=override)
    return SlotLaunch(_zygote_command(_INSIDE.parent), setup, _ENVIRONMENT, user.locks)


def _open_to_all(folder: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (folder, *folder.parents))


ISOLATION_LEVELS = (
    IsolationLevel(
        "bubblewrap", "namespaces of its own for every run, a scratch folder, processes", _bubblewrap
    ),
    IsolationLevel("landlock", "one process that reads the interpreter and writes nothing", _landlock),
)


async def find_isolation_level(levels: tuple[IsolationLevel, ...] = ISOLATION_LEVELS) -> list[LevelTrial]:
    """Tries the levels, the strongest first, with a test program, up to the first that works."""
    trials: list[LevelTrial] = []
    for level in levels:
        trials.append(LevelTrial(level, await _failure_of(level)))
        if trials[-1].failure is None:
            break
    return trials


async def _failure_of(level: IsolationLevel) -> str | None:
    if not sys.platform.startswith("linux"):
        return f"it needs Linux; this is {sys.platform}"
    if not NUMBERS:
        return f"its filter has no table of system calls for {MACHINE}"
    try:
        slot = await level.start()
    except SandboxUnavailable as error:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    try:
        outcome = await slot.run(_PROBE.encode())
    except SandboxUnavailable as error:
        return error.message
    finally:
        await slot.aclose()
    if outcome.stdout == "contained\n":
        return None
    return f"its test program ended with {outcome.exit_code}: {(outcome.stderr or outcome.stdout).strip()[-300:]}"
