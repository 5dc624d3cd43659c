"""What clients are told of whatever an upstream does: never where it is, nor what is on its disk or ours."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty import FAULTS, Script, Upstream, Wire, config, refusal
from msgspec.structs import replace
from scripted import BODY, STARTED, House, gateway

from perpend.config.schema import DefaultsConfig
from perpend.errors import BadRequest, ClientMessage, PerpendError, Rejected, UpstreamError
from perpend.runtime import Runtime
from perpend.serving import errors
from perpend.types import ThinkingDelta

SAYS = 'Traceback: File "/srv/app/serve.py", line 7; see http://10.0.0.7:8000/x'
"""What a server says of itself."""


def refusing(status: int) -> Callable[[Wire], Script]:
    return lambda wire: [refusal(status, {"error": {"message": SAYS}})]


STATUSES = (400, 401, 402, 403, 404, 407, 408, 418, 422, 429, 500, 502, 503, 504, 529)
SPOKEN = {**FAULTS, **{f"{status} of itself": refusing(status) for status in STATUSES}}
INSIDE = re.compile(r"127\.0\.0\.1|10\.0\.0\.7|localhost|https?://|/srv/|serve\.py|Errno|/tmp/")
QUESTION = "This is request 1."
MESSAGES = [{"role": "user", "content": QUESTION}]
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 99},
    "/v1/responses": {"input": QUESTION},
}


class One(Upstream):
    """Always does the same."""

    def __init__(self, fault: Callable[[Wire], Script]) -> None:
        super().__init__(seed=0)
        self._fault = fault

    def script(self, number: int, wire: Wire) -> Script:
        return self._fault(wire)


@pytest.mark.parametrize("fault", SPOKEN)
async def test_no_address_no_path_and_no_words_of_a_system(fault: str, tmp_path: Path) -> None:
    upstream = One(SPOKEN[fault])
    url = await upstream.start()
    loaded = config(url, url, tmp_path / "perpend.db")
    providers = {name: replace(row, retries=0) for name, row in loaded.providers.items()}
    loaded = replace(loaded, defaults=DefaultsConfig(model="alone"), providers=providers)
    async with await Runtime.open(loaded) as runtime:
        house: Any = runtime
        async with gateway(house) as front:
            asked = [
                ({**body, "model": model, "stream": stream, "deadline_ms": 3000}, path)
                for path, body in PATHS.items()
                for model in ("alone", "falling", "raw")
                for stream in (False, True)
            ]
            replies = await asyncio.gather(*[front.post(*one) for one in asked])
    await upstream.stop()
    for (body, path), reply in zip(asked, replies, strict=True):
        told = reply.body.decode()
        assert not INSIDE.search(told), (path, body["model"], body["stream"], told)
        assert reply.status != 500


@pytest.fixture
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "_reported", {})


@pytest.mark.usefixtures("nothing_said")
@pytest.mark.parametrize("stream", [False, True])
async def test_the_log_says_all_of_it_once(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    failed = [
        UpstreamError(
            f"http://inside:{port}: broken\nERROR root: forged", redacted=ClientMessage("p: broken")
        )
        for port in (8001, 8002)
    ]
    for error in failed:
        async with gateway(House([STARTED], [ThinkingDelta("hm")], error)) as front:
            told = (await front.post({**BODY, "stream": stream})).body
            assert b"p: broken" in told
            assert b"inside" not in told
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "upstream_error: http://inside:8001: broken\n  ERROR root: forged" in caplog.text


@pytest.mark.usefixtures("nothing_said")
@pytest.mark.parametrize(
    "error", [BadRequest("your prompt"), Rejected("p: your prompt", redacted=ClientMessage("your prompt"))]
)
async def test_the_log_says_nothing_of_what_was_asked(
    error: PerpendError, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway(House(error)) as front:
        assert "your prompt" in (await front.post(BODY)).error["message"]
    assert not caplog.records
