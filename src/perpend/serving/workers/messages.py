"""What a worker and its supervisor ask and tell each other, as msgpack. The supervisor answers `start`, `engine`, `peers`
and `scrape`, and hears `listening`; a worker answers `peer` and `samples`, and hears `state`.
"""

from msgspec import Raw, Struct

NOTHING = Raw(b"\xc0")
"""msgpack's nil: no answer."""


class EngineState(Struct, frozen=True):
    """Of an engine that was asked for."""

    slots: int
    problem: str | None
    """Why it answers nobody now, in clients' words."""


class HouseState(Struct, frozen=True):
    """What only the supervisor knows, and every worker needs at once."""

    waiting_for: str | None
    """What is still missing at the start, in words."""
    engines: dict[str, EngineState]
    """By model."""


class WorkerStart(Struct, frozen=True):
    """What a worker begins with."""

    config: bytes
    """Pickled: both ends are one program, and nobody else has the channel."""
    index: int
    """From 0. A worker that takes over from one that died has its index."""
    count: int
    state: HouseState


class EngineWanted(Struct, frozen=True):
    """See `EnginePool.ready`."""

    model: str
    path: str
    context: int


class EngineAnswer(Struct, frozen=True, omit_defaults=True):
    """Where the engine is reached, or the EngineError that keeps it from starting."""

    url: str | None = None
    message: str = ""
    hint: str | None = None
    retry_after: float | None = None
    redacted: tuple[str, str | None] | None = None


class PeerQuestion(Struct, frozen=True):
    """To all other workers: the first that has an answer is heard."""

    subject: str
    body: Raw
