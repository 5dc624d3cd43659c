"""The arguments and results of calls between a worker and its supervisor, encoded as msgpack.

The supervisor handles `start`, `engine`, `peers`, `scrape` and `ready`; a worker handles `peer`, `samples`,
`state` and `hurry`.
"""

from msgspec import Raw, Struct

NOTHING = Raw(b"\xc0")
"""msgpack's nil, which means no result."""


class EngineState(Struct, frozen=True):
    slots: int
    capacity: int | None
    problem: str | None
    """See `engine.pool.Engines.problem`."""


class SharedState(Struct, frozen=True):
    """What the supervisor pushes to every worker when it changes."""

    waiting_for: str | None
    """See `serving.info.Readiness`."""
    engines: dict[str, EngineState]
    """By model."""


class WorkerStart(Struct, frozen=True):
    """The data that a worker starts with."""

    config: bytes
    """Pickled, which is safe: both processes run this program, and no other process has the socket pair."""
    index: int
    """From 0; a worker gets the index of the worker that it replaces."""
    count: int
    """Number of workers."""
    state: SharedState


class EngineRequest(Struct, frozen=True):
    """The arguments of `engine.pool.Engines.ready`."""

    model: str
    path: str
    context: int
    """Tokens per slot."""


class EngineReply(Struct, frozen=True, omit_defaults=True):
    """The engine's base URL, or the fields of an EngineError."""

    url: str | None = None
    message: str = ""
    hint: str | None = None
    retry_after: float | None = None
    """Seconds."""
    redacted: tuple[str, str | None] | None = None


class PeerCall(Struct, frozen=True):
    """A call to all other workers; the caller gets the first result that isn't nil."""

    method: str
    argument: Raw
