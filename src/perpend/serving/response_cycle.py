"""How a response is written: its head goes out with the beginning of its body, in one write.

uvicorn's own looks through each header for what this application never puts there, and writes the head apart.
"""

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_WITHOUT_BODY = (204, 304)
_CLOSE = (b"connection", b"close")


class ResponseCycle(RequestResponseCycle):
    """uvicorn's, for an application whose header names are in lower case."""

    _head = b""
    """What is still to be written."""

    async def send(self, message: "ASGISendEvent") -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        event: dict[str, Any] = message  # pyright: ignore[reportAssignmentType] -- of two kinds, told by `type`
        if event["type"] == "http.response.start":
            self._begin(event["status"], event["headers"])
        else:
            self._go_on(event["body"], more=event["more_body"])

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [b"%b: %b\r\n" % header for header in (*self.default_headers, *headers)]
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close\r\n")
        has_body = self.scope["method"] != "HEAD" and status not in _WITHOUT_BODY
        self.chunked_encoding = has_body and all(name != b"content-length" for name, _ in headers)
        if self.chunked_encoding:
            lines.append(b"transfer-encoding: chunked\r\n")
        self._head = b"%b%b\r\n" % (STATUS_LINE[status], b"".join(lines))

    def _go_on(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self.chunked_encoding:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body = chunk if more else chunk + b"0\r\n\r\n"
        head, self._head = self._head, b""
        if head or body:
            self.transport.write(head + body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()
