"""The gateway that is attacked: `perpend serve` as users run it, with a fake model behind it."""

import contextlib
import re
import urllib.request
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

from benchmarks.load import gateways
from benchmarks.load.gateways import Gateway

CONFIG = """\
[defaults]
model = "chat"
cheap_model = "chat"

[serve]
port = {port}
require_keys = "always"
max_body_bytes = 300000

[providers.fake]
base_url = "{upstream}"
retries = 0

[providers.fake-messages]
base_url = "{upstream}"
wire = "anthropic"

[providers.fake-responses]
base_url = "{upstream}"
wire = "openai_responses"

[providers.fake-raw]
base_url = "{upstream}"
wire = "raw_completion"

[models.chat]
provider = "fake"
price = {{ input = 1.0, output = 4.0 }}

[models.messages]
provider = "fake-messages"

[models.responses]
provider = "fake-responses"

[models.raw]
provider = "fake-raw"
family = "generic"
context = 8192
price = {{ input = 1.0, output = 4.0 }}

[aliases]
"chat-*" = "chat"

[verifiers.near]
url = "{upstream}/verdict"
"""
DEADLINE = "3s"
"""Of cases that name none."""
_ENTRY = re.compile(r"(?m)^[\d-]{10} [\d:,]+ ")
_BUG = re.compile(
    r"Traceback|unexpected \w+|never retrieved|Exception in callback|Fatal (?:error|Python)|ERROR"
)
SHOWN = 20
"""Kinds of entries of its log that are told."""
_UNDER_WAY = re.compile(r"^perpend_requests_in_flight (\d+)", re.MULTILINE)
_CALM_S = 30.0


class Attacked:
    def __init__(self, gateway: Gateway) -> None:
        port, running = urlsplit(gateway.endpoint.url).port, gateway.running
        assert port is not None
        assert running is not None
        self.port = port
        self.key = gateway.endpoint.key
        self._running = running

    @property
    def log(self) -> str:
        return self._running.log.read_text(errors="replace")

    def problems(self) -> list[str]:
        """What its log tells of bugs, and what isn't as it was, once all is answered; each a paragraph."""
        if (status := self._running.process.poll()) is not None:
            return [f"the gateway has ended, with status {status}", self.log[-3000:]]
        told = Counter(entry.strip() for entry in _ENTRY.split(self.log) if _BUG.search(entry))
        return self._left() + [
            f"{count} x in its log: {entry[-3000:]}" for entry, count in told.most_common(SHOWN)
        ]

    def _left(self) -> list[str]:
        """Requests under way that nobody waits for."""
        until, left = monotonic() + _CALM_S, 1
        while left and monotonic() < until:
            try:
                with urllib.request.urlopen(self._metrics(), timeout=10) as answer:
                    found = _UNDER_WAY.search(answer.read().decode())
            except OSError as error:
                return [f"afterwards it doesn't answer: {error}"]
            left = int(found[1]) if found else 0
            sleep(0.1 if left else 0)
        return [f"{left} requests are still under way {_CALM_S:g} s after the last case"] if left else []

    def _metrics(self) -> urllib.request.Request:
        return urllib.request.Request(
            f"http://127.0.0.1:{self.port}/metrics", headers={"authorization": f"Bearer {self.key}"}
        )


@contextlib.contextmanager
def attacked(home: Path) -> Generator[Attacked]:
    # names that nobody has are soon known to have no address
    quick = {"RES_OPTIONS": "timeout:1 attempts:1"}
    with (
        gateways.model_server("benchmarks.fuzz.upstream", None, home) as model,
        gateways.perpend(model.endpoint.url, None, home, CONFIG, deadline=DEADLINE, more=quick) as gateway,
    ):
        yield Attacked(gateway)
