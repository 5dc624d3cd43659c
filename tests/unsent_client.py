"""A client of upstreams that nothing leaves."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from perpend.errors import Rejected
from perpend.transport.client import Framing, HTTPClient, UpstreamAccount


class Listening(HTTPClient):
    """Sends nothing, and keeps what would have been sent."""

    def __init__(self) -> None:
        super().__init__()
        self.body: dict[str, Any] = {}

    async def stream(
        self, url: str, body: bytes | None, account: UpstreamAccount, parser: Framing
    ) -> AsyncGenerator[list[bytes], float | None]:
        self.body = json.loads(body or b"{}")
        raise Rejected("nothing more is wanted", billed=False)
        yield []
