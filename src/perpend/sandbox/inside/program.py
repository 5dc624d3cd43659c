"""Turns a fork into the program: sets its descriptors, confines it, and runs `__main__`."""

import atexit
import contextlib
import fcntl
import linecache
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import NoReturn, TextIO

CHANNEL = 3
"""Descriptor of the socket between a program and its judge."""
REPORT = 4
"""Descriptor that a judge, and only a judge, writes its report to."""
NAME = "program.py"
_SOURCE = 5
_UNPRINTABLE = "an exception that can't be shown"
HOME = "/tmp"  # noqa: S108 -- in a namespace of its own


def become(source: int, descriptors: dict[int, int], confine: Callable[[], None]) -> NoReturn:
    """Runs the program in descriptor `source` with `descriptors` (number in the program -> open descriptor) alone."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        confine()
        _install_descriptors({**descriptors, _SOURCE: source})
        if REPORT in descriptors:
            sys.path.remove(HOME)  # the program can write there, and a judge must not import from it
        text = _read_all(_SOURCE)
        os.close(_SOURCE)
        _hide_launcher()
    except BaseException as error:
        os.write(descriptors[2], f"the sandbox failed: {error!r}\n".encode())
        os._exit(70)
    status = 1
    try:
        status = _finish(_execute(text))
    finally:
        os._exit(status)


def _install_descriptors(descriptors: dict[int, int]) -> None:
    """Moves descriptors to their numbers, by way of higher ones, as a number may still be in use by another."""
    copies = {target: fcntl.fcntl(fd, fcntl.F_DUPFD, _SOURCE + 1) for target, fd in descriptors.items()}
    for target, fd in copies.items():
        os.dup2(fd, target)
    for fd in set(range(_SOURCE)) - set(descriptors):
        os.closerange(fd, fd + 1)
    os.closerange(_SOURCE + 1, 65536)


def _read_all(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _hide_launcher() -> None:
    """Hides from the program how the interpreter was started, and opens its standard streams."""
    sys.argv[:] = [NAME]
    sys.orig_argv[:] = [sys.executable, NAME]
    for name in [name for name in sys.modules if name == "inside" or name.startswith("inside.")]:
        del sys.modules[name]
    sys.stdin = sys.__stdin__ = _stream(0, "r")
    # line-buffered: lines printed before a time-out aren't lost
    sys.stdout = sys.__stdout__ = _stream(1, "w")
    sys.stderr = sys.__stderr__ = _stream(2, "w", "backslashreplace")


def _stream(fd: int, mode: str, errors: str = "surrogateescape") -> TextIO:
    return open(fd, mode, buffering=1, encoding="utf-8", errors=errors, closefd=False)  # type: ignore[return-value]


def _execute(text: bytes) -> int:
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    try:
        source = text.decode()
        linecache.cache[NAME] = (len(text), None, source.splitlines(keepends=True), NAME)
        exec(compile(source, NAME, "exec", dont_inherit=True), main.__dict__)  # noqa: S102 -- what it's here for
    except SystemExit as error:
        return _status(error)
    except BaseException as error:
        _show(error)
        return 130 if issubclass(type(error), KeyboardInterrupt) else 1
    return 0


def _status(error: SystemExit) -> int:
    # a code that can't be printed is passed over, as an interpreter does
    with contextlib.suppress(BaseException):
        code = error.code
        if code is None:
            return 0
        if isinstance(code, int):
            return int.__and__(code, 0xFF)
        print(code, file=sys.stderr)
    return 1


def _show(error: BaseException) -> None:
    """Prints an exception as an interpreter does; the program may have made one that can't be printed."""
    try:
        trace = sys.exc_info()[2]
        program_trace = trace.tb_next if trace else None  # without the frame of `_execute`
        BaseException.with_traceback(error, program_trace)
        if sys.excepthook is not sys.__excepthook__:
            with contextlib.suppress(BaseException):
                sys.excepthook(type(error), error, program_trace)
                return
        if sys.stderr is not None:
            traceback.print_exception(error)  # the default hook reads source lines from files only
    except BaseException:
        with contextlib.suppress(BaseException):
            print(_UNPRINTABLE, file=sys.stderr)


def _finish(status: int) -> int:
    """Shuts the interpreter down: threads, exit functions, streams; its memory isn't freed object by object."""
    try:
        threading._shutdown()  # type: ignore[attr-defined] -- waits for its threads
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BaseException as error:
        _show(error)
        status = status or 120
    return status
