"""The gateway of `perpend serve`: it listens at once, while its model is fetched and loaded."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from functools import partial
from typing import NamedTuple

from perpend.cli.console import print_row
from perpend.cli.serve.preparing import prepare, say
from perpend.config import Config
from perpend.errors import ConfigError
from perpend.observability.metrics import Metrics
from perpend.runtime import Runtime
from perpend.runtime.metrics import metrics_of
from perpend.serving import server
from perpend.serving.admin import Admin
from perpend.serving.admission.start import admission_of
from perpend.serving.app import App
from perpend.serving.auth import Auth, is_loopback
from perpend.serving.cache.metrics import CacheMetrics
from perpend.serving.cache.response_cache import ResponseCache, response_cache
from perpend.serving.info import Readiness
from perpend.serving.limits.wiring import limiter_of
from perpend.serving.sealing import seals_of
from perpend.storage.keys import KeyRing


async def gateway(config: Config, *, json: bool) -> None:
    """Serve until interrupted. Raises ConfigError where other machines can reach it and there is no key yet, and
    where the address can't be bound; NotFound where the default model doesn't exist.
    """
    listen = config.serve
    cache = response_cache(config)
    async with await Runtime.open(config, cache=cache) as runtime:
        access, metrics, readiness = checked(runtime), metrics_of(runtime), readiness_of(runtime)
        app = app_for(runtime, access, metrics, readiness, cache)
        listener = server.bind(listen.host, listen.port)
        greet(config, listener.getsockname()[1], access.auth.needed, json=json)
        async with preparing(runtime, readiness):
            try:
                await server.serve(server.server_for(app), listener)
            finally:
                await app.aclose()


class Access(NamedTuple):
    """Who may come in, and their keys."""

    auth: Auth
    keys: KeyRing


def checked(runtime: Runtime) -> Access:
    """Raises NotFound where the default model doesn't exist, and ConfigError where other machines can reach the gateway
    and there is no key yet.
    """
    listen = runtime.config.serve
    runtime.models.resolve(None)  # a default model that doesn't exist is said now, not at the first request
    keys = KeyRing(runtime.store)
    if listen.require_keys != "never" and not is_loopback(listen.host) and not keys.any_exist:
        raise ConfigError(
            f"{listen.host} can be reached from other machines, and there is no key yet",
            hint='make one with `perpend keys create NAME`; serve.require_keys = "never" does without',
            field="serve.require_keys",
        )
    return Access(Auth(keys, listen.require_keys, listen.host, listen.cors_origins), keys)


def app_for(
    runtime: Runtime, access: Access, metrics: Metrics, readiness: Readiness, cache: ResponseCache | None
) -> App:
    """The application of one process. Raises ConfigError where keys of seals, or an address of alerts, are missing."""
    config, store, home = runtime.config, runtime.store, runtime.home
    if cache is not None:
        metrics.registry.register(CacheMetrics(cache))
    seals = seals_of(config.serve.seal_keys_env, home)
    limiter = limiter_of(config.limits, access.keys, store, home, metrics)
    admin = Admin(store, config, access.auth)
    admission = admission_of(runtime)
    return App(runtime, access.auth, metrics, readiness, seals, limiter, admin.routes, admission)


def readiness_of(runtime: Runtime) -> Readiness:
    """Of a gateway whose default model is still being made ready."""
    default = runtime.config.defaults.model
    waiting_for = f"{default} is being made ready"
    return Readiness(runtime.store.check, waiting_for, partial(runtime.models.problem, default))


@contextlib.asynccontextmanager
async def preparing(runtime: Runtime, readiness: Readiness) -> AsyncGenerator[None]:
    """Make the default model ready while the block runs."""
    task = asyncio.create_task(prepare(runtime, readiness))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def greet(config: Config, port: int, key_needed: bool, *, json: bool) -> None:
    """Print that the gateway listens."""
    model, url = config.defaults.model, server.url_of(config.serve.host, port)
    if json:
        print_row({"url": url, "model": model, "key": key_needed})
    key = ' -H "Authorization: Bearer $PERPEND_API_KEY"' if key_needed else ""
    body = '{"messages": [{"role": "user", "content": "What is 17 * 24?"}], "max_thinking_tokens": 128}'
    with_ = model if config.serve.workers == 1 else f"{model} and {config.serve.workers} workers"
    say(f"perpend listens on {url} with {with_}; Ctrl-C stops it. Try:\n")
    say(f"  curl {url}/v1/chat/completions{key} \\")
    say(f"    -d '{body}'\n")
