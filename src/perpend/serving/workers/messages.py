"""The arguments and results of calls between a worker and its supervisor, as msgpack.

The supervisor handles `start`, `engine`, `peers`, `scrape` and `ready`; a worker handles `peer`, `samples`,
`state` and `hurry`.
"""

from msgspec import Raw, Struct

NOTHING = Raw(b"\xc0")
"""msgpack's nil: no result."""


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
    """What a worker begins with."""

    config: bytes
    """Pickled: both processes run this program, and nobody else has the socket pair."""
    index: int
    """From 0; a worker has the index of the one that it replaces."""
    count: int
    """Of workers."""
    state: SharedState


class EngineRequest(Struct, frozen=True):
    """The arguments of `engine.pool.Engines.ready`."""

    model: str
    path: str
    context: int


class EngineReply(Struct, frozen=True, omit_defaults=True):
    """The engine's base URL, or the fields of an EngineError."""

    url: str | None = None
    message: str = ""
    hint: str | None = None
    retry_after: float | None = None
    redacted: tuple[str, str | None] | None = None


class PeerCall(Struct, frozen=True):
    """A call to all other workers; the first result that isn't nil is the caller's."""

    method: str
    argument: Raw
