"""A solver that admits requests before it runs them."""

from perpend.accounting.ledger import Scope
from perpend.serving.admission.admission import Admission
from perpend.serving.admission.model_load import Admitted
from perpend.serving.limits.limited import GatedSolver
from perpend.solve import Gate, Prepared, Sink
from perpend.types import Answer, Request


class AdmittingSolver:
    """Implements `GatedSolver`, for a caller with a gate of its own."""

    def __init__(self, solver: GatedSolver, admission: Admission) -> None:
        self._solver = solver
        self._admission = admission
        self.check = solver.check
        self.count_input = solver.count_input
        self.embed = solver.embed

    async def solve(
        self,
        request: Request,
        sink: Sink | None = None,
        *,
        gate: Gate | None = None,
        key_id: str | None = None,
        source: str = "chat",
    ) -> Answer:
        """Answers a request once it is admitted. `gate`: passed before admission. Raises PerpendError."""
        admitting = AdmissionGate(self._admission, key_id or "", gate)
        return await self._solver.solve(request, sink, gate=admitting, key_id=key_id, source=source)


class AdmissionGate:
    """Implements `solve.Gate` for one request."""

    __slots__ = ("_admission", "_admitted", "_before", "_tenant")

    def __init__(self, admission: Admission, tenant: str, before: Gate | None = None) -> None:
        """`before`: another gate, passed first."""
        self._admission = admission
        self._admitted: Admitted | None = None
        self._before = before
        self._tenant = tenant

    async def enter(self, prepared: Prepared) -> Prepared:
        """Enters the gate before. Raises PerpendError as that gate does."""
        return prepared if self._before is None else await self._before.enter(prepared)

    async def admit(self, prepared: Prepared) -> Prepared:
        """Waits for admission, after the gate before. Raises Overloaded, and PerpendError as that gate does."""
        if self._before is not None:
            prepared = await self._before.admit(prepared)
        self._admitted = await self._admission.admit(prepared, self._tenant)
        return self._admitted.prepared

    def leave(self, spent: Scope) -> None:
        """Ends the admission, and leaves the gate before."""
        if self._admitted is not None:
            self._admission.left(self._admitted, spent)
        if self._before is not None:
            self._before.leave(spent)
