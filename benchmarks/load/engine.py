"""A real engine and the gateway in front of that same engine: what is added where tokens take their time."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from perpend.config import home_dir
from perpend.engine.catalogue import find
from perpend.engine.machine import this_machine

from . import gateways
from .dialects import Dialect
from .generator import Endpoint
from .processes import Running
from .verify import ask

SLOTS = 16
TOKENS = 32
ASKS = {"max_tokens": TOKENS, "temperature": 0, "reasoning_effort": "none"}
"""No thinking: one call of the gateway for one call of the engine, both of as many tokens."""
CONFIG = """\
[defaults]
model = "small"

[serve]
port = {port}
require_keys = "always"

[providers.engine]
base_url = "{upstream}"
wire = "llama_completion"

[models.small]
provider = "engine"
family = "smollm2"
price = {{ input = 1.0, output = 4.0 }}
"""


@contextmanager
def pair(name: str, folder: Path) -> Generator[list[gateways.Gateway]]:
    """The engine itself as `direct`, and `perpend`; both free to use every core."""
    weights = find(name).path(home_dir())
    if not weights.exists():
        raise SystemExit(f"{name} isn't here: perpend models pull {name}")
    threads = this_machine().cores
    launch = {"model": str(weights), "slots": SLOTS, "context": 512, "threads": threads, "cache_mib": 64}
    with bare_engine(launch, folder) as running:
        assert running.process.stdout is not None
        url = msgspec.json.decode(running.process.stdout.readline())["url"]
        direct = gateways.Gateway("direct", "", Endpoint(f"{url}/v1", "", "small", ASKS, TOKENS), running)
        with gateways.perpend(url, None, folder, CONFIG) as gateway:
            gateway.endpoint = msgspec.structs.replace(
                gateway.endpoint, model="small", asks=ASKS, tokens=TOKENS
            )
            yield [direct, gateway]


@contextmanager
def bare_engine(launch: dict[str, Any], folder: Path) -> Generator[Running]:
    log = folder / "engine.log"
    command = [sys.executable, "-m", "perpend.engine.child", msgspec.json.encode(launch).decode()]
    pipe = subprocess.PIPE
    with log.open("wb") as errors, subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors) as child:
        try:
            yield Running(child, log, "engine")
        finally:
            assert child.stdin is not None
            child.stdin.close()  # the engine lives until then


def verify(name: str, endpoint: Endpoint, dialect: Dialect) -> list[str]:
    """Both must generate as many tokens, or their times say nothing about each other."""
    counted = dialect.tokens(msgspec.json.decode(ask(name, endpoint, dialect, stream=False)))
    if counted != TOKENS:
        raise SystemExit(f"{name} generated {counted} tokens where {TOKENS} were meant")
    return []
