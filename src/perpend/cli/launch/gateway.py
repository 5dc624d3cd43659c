"""The gateway of a launched agent: one that runs on this machine already, or a new one in this process."""

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
from perpend.serving.limits.wiring import limiter_of
from perpend.serving.sealing import seals_of
from perpend.serving.server import bind, server_for, url_of
from perpend.storage.keys import KeyRing
from perpend.storage.rows import KeyRow

_HOST = "127.0.0.1"
_TIMEOUT_S = 2.0
_NOTICED_S = 1.5
"""Seconds to wait until a gateway accepts a new key; it takes half a second."""


@contextlib.asynccontextmanager
async def gateway(runtime: Runtime, secret: str, key: KeyRow) -> AsyncGenerator[str, None]:
    """The gateway's URL, once it serves the key's model.

    Joins a running gateway of this config that knows the key; else starts one in this process, on a free port.
    Raises PerpendError where the model can't be made ready.
    """
    url = url_of(runtime.config.serve.host, runtime.config.serve.port)
    if await asyncio.to_thread(_recognises_key, url, secret, key.model):
        note(f"joined the gateway at {url}")
        yield url
        if await asyncio.to_thread(_listed_models, url, secret) is None:
            note(
                f"the gateway at {url} no longer answers: what was under way may be missing from the account"
            )
        return
    if runtime.models.resolve(key.model).provider == EMBEDDED:
        note(f"loading {key.model} …")
    await runtime.prepare(key.model)
    async with _own_gateway(runtime) as url:
        yield url


@contextlib.asynccontextmanager
async def _own_gateway(runtime: Runtime) -> AsyncGenerator[str, None]:
    metrics = metrics_of(runtime)
    keys = KeyRing(runtime.store)
    auth, readiness = Auth(keys, "always", _HOST), Readiness(runtime.store.check)
    limiter = limiter_of(runtime.config.limits, keys, runtime.store, runtime.home, metrics)
    seals = seals_of(runtime.config.serve.seal_keys_env, runtime.home)
    app = App(runtime, auth, metrics, readiness, seals, limiter, admission=admission_of(runtime))
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


def _recognises_key(url: str, secret: str, model: str | None) -> bool:
    """Whether a server at `url` accepts this key and not a made-up one, so that it shares this store."""
    deadline = time.monotonic() + _NOTICED_S
    while (other := _listed_models(url, "pk-nobody")) is not None:
        if _listed_models(url, secret) == [model] != other:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return False


def _listed_models(url: str, secret: str) -> list[str] | None:
    """The models that a server lists for the key; empty where it refuses the key, None where nothing answers."""
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
