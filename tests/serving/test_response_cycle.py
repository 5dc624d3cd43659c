"""What is written is what uvicorn's own cycle writes, but for the number of writes."""

import asyncio
import logging
from typing import Any, cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from perpend.serving.response_cycle import ResponseCycle

DATE = (b"date", b"Sat, 28 Nov 2026 07:00:00 GMT")
JSON = (b"content-type", b"application/json")
LENGTH = (b"content-length", b"5")


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True


def written(
    kind: type[RequestResponseCycle],
    pieces: list[bytes],
    *,
    status: int = 200,
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,),
    method: str = "POST",
    keep_alive: bool = True,
) -> Transport:
    transport = Transport()
    log = logging.getLogger("none")
    cycle = kind(
        scope=cast("Any", {"method": method}),
        transport=cast("Any", transport),
        flow=FlowControl(cast("Any", transport)),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[DATE],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )

    async def respond() -> None:
        await cycle.send({"type": "http.response.start", "status": status, "headers": [*headers]})
        for at, piece in enumerate(pieces, 1):
            more = at < len(pieces)
            await cycle.send({"type": "http.response.body", "body": piece, "more_body": more})

    asyncio.run(respond())
    assert cycle.response_complete
    return transport


@pytest.mark.parametrize(
    ("pieces", "asked"),
    [
        pytest.param([b"hello"], {"headers": (LENGTH, JSON)}, id="whole"),
        pytest.param([b"one", b"two", b""], {}, id="chunked"),
        pytest.param([b"one", b"two"], {}, id="chunked, ending with a piece"),
        pytest.param([b""], {"status": 204}, id="nothing"),
        pytest.param([b"hello"], {"headers": (LENGTH, JSON), "method": "HEAD"}, id="HEAD"),
        pytest.param([b"hello"], {"method": "HEAD"}, id="HEAD of unknown length"),
        pytest.param([b"hello"], {"headers": (LENGTH,), "keep_alive": False}, id="the last one"),
        pytest.param([b"hello"], {"headers": (LENGTH, (b"connection", b"close"))}, id="said to be the last"),
        pytest.param([b"hello"], {"status": 404, "headers": (LENGTH, JSON)}, id="an error"),
    ],
)
def test_it_writes_the_same(pieces: list[bytes], asked: dict[str, Any]) -> None:
    ours, theirs = written(ResponseCycle, pieces, **asked), written(RequestResponseCycle, pieces, **asked)
    assert b"".join(ours.writes) == b"".join(theirs.writes)
    assert ours.closed == theirs.closed


def test_a_whole_answer_is_one_write() -> None:
    assert len(written(ResponseCycle, [b"hello"], headers=(LENGTH, JSON)).writes) == 1
