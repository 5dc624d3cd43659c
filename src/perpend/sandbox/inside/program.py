"""A fork that becomes the program: its descriptors, its confinement, and then `__main__`."""

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
"""Descriptor that a judge, and only a judge, reports on."""
NAME = "program.py"
_SOURCE = 5
_UNSEEN = "an exception that can't be shown"
HOME = "/tmp"  # noqa: S108 -- in a namespace of its own


def become(source: int, places: dict[int, int], confine: Callable[[], None]) -> NoReturn:
    """Runs the program in descriptor `source` with `places` (its descriptor -> ours) and none other."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        confine()
        _place({**places, _SOURCE: source})
        if REPORT in places:
            sys.path.remove(HOME)  # a program writes there, and a judge must import nothing of it
        text = _read_all(_SOURCE)
        os.close(_SOURCE)
        _fresh()
    except BaseException as error:
        os.write(places[2], f"the sandbox failed: {error!r}\n".encode())
        os._exit(70)
    status = 1
    try:
        status = _finish(_execute(text))
    finally:
        os._exit(status)


def _place(places: dict[int, int]) -> None:
    """Through high numbers, since a place may be another's descriptor still."""
    high = {place: fcntl.fcntl(fd, fcntl.F_DUPFD, _SOURCE + 1) for place, fd in places.items()}
    for place, fd in high.items():
        os.dup2(fd, place)
    for fd in set(range(_SOURCE)) - set(places):
        os.closerange(fd, fd + 1)
    os.closerange(_SOURCE + 1, 65536)


def _read_all(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _fresh() -> None:
    """What the interpreter remembers of how it was started isn't the program's."""
    sys.argv[:] = [NAME]
    sys.orig_argv[:] = [sys.executable, NAME]
    for name in [name for name in sys.modules if name == "inside" or name.startswith("inside.")]:
        del sys.modules[name]
    sys.stdin = sys.__stdin__ = _stream(0, "r")
    # by lines: what was printed before a time-out isn't lost
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
    # as an interpreter does, it says nothing of what can't be said
    with contextlib.suppress(BaseException):
        code = error.code
        if code is None:
            return 0
        if isinstance(code, int):
            return int.__and__(code, 0xFF)
        print(code, file=sys.stderr)
    return 1


def _show(error: BaseException) -> None:
    """What an interpreter says of it; an exception may be made so that it can't be looked at."""
    try:
        trace = sys.exc_info()[2]
        ours = trace.tb_next if trace else None  # the frame of `_execute` is no concern of the program's
        BaseException.with_traceback(error, ours)
        if sys.excepthook is not sys.__excepthook__:
            with contextlib.suppress(BaseException):
                sys.excepthook(type(error), error, ours)
                return
        if sys.stderr is not None:
            traceback.print_exception(error)  # the interpreter's own looks for lines in files only
    except BaseException:
        with contextlib.suppress(BaseException):
            print(_UNSEEN, file=sys.stderr)


def _finish(status: int) -> int:
    """What an interpreter does at its end, but for freeing its memory object by object."""
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
