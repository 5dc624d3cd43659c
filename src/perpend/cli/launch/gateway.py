"""The gateway of a launched agent: the one that runs here already, or one of its own."""

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator

from perpend.cli.console import note
from perpend.config.schema import EMBEDDED
from perpend.runtime import Runtime
from perpend.runtime.metrics import metrics_of
from perpend.serving.admission.start import admission_of
from perpend.serving.app import App
from perpend.serving.auth import Auth
from perpend.serving.info import MODELS_PATH, Readiness
from perpend.serving.sealing import seals_of
from perpend.serving.server import bind, server_for, url_of
from perpend.storage.keys import KeyRing
from perpend.storage.rows import KeyRow

_HOST = "127.0.0.1"
_TIMEOUT_S = 2.0
_NOTICED_S = 1.5
"""A gateway knows a new key within half a second."""


@contextlib.asynccontextmanager
async def gateway(runtime: Runtime, secret: str, key: KeyRow) -> AsyncGenerator[str, None]:
    """Its address, once it answers with the key's model.

    A gateway of this config that knows the key is joined; else this process is one, on a port that is free.
    """
    there = url_of(runtime.config.serve.host, runtime.config.serve.port)
    if await asyncio.to_thread(_knows, there, secret, key.model):
        note(f"joined the gateway at {there}")
        yield there
        if await asyncio.to_thread(_models, there, secret) is None:
            note(
                f"the gateway at {there} no longer answers: what was under way may be missing from the account"
            )
        return
    if runtime.models.resolve(key.model).provider == EMBEDDED:
        note(f"loading {key.model} …")
    await runtime.prepare(key.model)
    async with _own(runtime) as url:
        yield url


@contextlib.asynccontextmanager
async def _own(runtime: Runtime) -> AsyncGenerator[str, None]:
    metrics = metrics_of(runtime)
    auth, readiness = Auth(KeyRing(runtime.store), "always", _HOST), Readiness(runtime.store.check)
    seals = seals_of(runtime.config.serve.seal_keys_env, runtime.home)
    app = App(runtime, auth, metrics, readiness, seals, admission_of(runtime))
    listener = bind(_HOST, 0)
    url = url_of(_HOST, listener.getsockname()[1])
    server = server_for(app)
    serving = asyncio.create_task(server.serve([listener]))
    serving.add_done_callback(
        lambda task: server.should_exit or note(f"the gateway ended: {task.exception()}")
    )
    note(f"gateway at {url}")
    try:
        yield url
    finally:
        server.stop()
        await asyncio.wait([serving])
        await app.aclose()


def _knows(url: str, secret: str, model: str | None) -> bool:
    """Whether what answers there tells this key from a made-up one: only who shares the store can."""
    deadline = time.monotonic() + _NOTICED_S
    while (other := _models(url, "pk-nobody")) is not None:
        if _models(url, secret) == [model] != other:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return False


def _models(url: str, secret: str) -> list[str] | None:
    """What is listed there for the key; nothing where it is refused, None where nobody answers."""
    request = urllib.request.Request(url + MODELS_PATH, headers={"Authorization": f"Bearer {secret}"})  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=_TIMEOUT_S) as reply:
            return [row["id"] for row in json.load(reply)["data"]]
    except urllib.error.HTTPError as refused:
        refused.close()
        return []
    except (OSError, ValueError, KeyError, TypeError):
        return None
