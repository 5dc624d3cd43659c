"""A solver that checks the limits of a request's key, team and user."""

from collections.abc import Coroutine
from typing import Any, Protocol

from perpend.serving.limits.limiter import Limiter
from perpend.solve import Gate, Sink
from perpend.solve.gate import EmbeddingGate
from perpend.types import Answer, EmbeddingRequest, EmbeddingResult, Request


class GatedSolver(Protocol):
    """The methods of the runtime that answer requests through a gate."""

    def solve(
        self,
        request: Request,
        sink: Sink | None = None,
        *,
        gate: Gate | None = None,
        key_id: str | None = None,
        source: str = "chat",
    ) -> Coroutine[Any, Any, Answer]:
        """Answers a request. Raises PerpendError."""
        ...

    async def check(self, request: Request) -> None:
        """Checks a request without an answer. Raises PerpendError."""
        ...

    async def count_input(self, request: Request) -> int:
        """Counts the tokens of the prompt. Raises PerpendError."""
        ...

    async def embed(
        self, request: EmbeddingRequest, *, gate: EmbeddingGate | None = None, key_id: str | None = None
    ) -> EmbeddingResult:
        """Embeds texts. Raises PerpendError."""
        ...


class LimitedSolver:
    """Implements `completions.Solver` and `embeddings.Embedder`."""

    def __init__(self, solver: GatedSolver, limiter: Limiter) -> None:
        self._solver = solver
        self._limiter = limiter
        self.check = solver.check
        self.count_input = solver.count_input

    async def solve(
        self, request: Request, sink: Sink | None = None, *, key_id: str | None = None, source: str = "chat"
    ) -> Answer:
        """Answers a request within its limits. Raises PerpendError."""
        gate = self._limiter.gate(key_id, request.user)
        return await self._solver.solve(request, sink, gate=gate, key_id=key_id, source=source)

    async def embed(self, request: EmbeddingRequest, *, key_id: str | None = None) -> EmbeddingResult:
        """Embeds texts within the request's limits. Raises PerpendError."""
        gate = self._limiter.gate(key_id, request.user)
        return await self._solver.embed(request, gate=gate, key_id=key_id)
