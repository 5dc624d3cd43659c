"""What a backend of a test has beside its stream, where nothing of it matters."""

from typing import Any

from perpend.backends.contract import Call, CallEvent
from perpend.errors import UpstreamError


class StubBackend:
    """Subclasses give the `stream`."""

    supports_prefix = False
    resumes = False

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        raise UpstreamError("a test's backend has no body")

    def left_out(self, call: Call) -> tuple[str, ...]:
        return ()

    def steers(self, call: Call) -> dict[str, Any]:
        return {}

    async def count_input(self, call: Call) -> int | None:
        return None
