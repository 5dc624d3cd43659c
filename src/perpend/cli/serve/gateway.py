"""The gateway as `perpend serve` runs it: ready to listen at once, while its model is fetched and loaded."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from functools import partial

from perpend.cli.console import print_row
from perpend.cli.serve.preparing import prepare, say
from perpend.config import Config
from perpend.errors import ConfigError
from perpend.runtime import Runtime
from perpend.runtime.metrics import metrics_of
from perpend.serving import server
from perpend.serving.app import App
from perpend.serving.auth import Auth, is_loopback
from perpend.serving.info import Readiness
from perpend.serving.sealing import seals_of
from perpend.storage.keys import KeyRing


async def gateway(config: Config, *, json: bool) -> None:
    """Serve until interrupted. Raises ConfigError where others could reach it and no key is made yet."""
    listen = config.serve
    async with await Runtime.open(config) as runtime:
        auth = checked(runtime)
        seals = seals_of(listen.seal_keys_env, runtime.home)
        metrics = metrics_of(runtime)
        readiness = readiness_of(runtime)
        listener = server.bind(listen.host, listen.port)
        greet(config, listener.getsockname()[1], auth.needed, json=json)
        app = App(runtime, auth, metrics, readiness, seals)
        async with preparing(runtime, readiness):
            try:
                await server.serve(server.server_for(app), listener)
            finally:
                await app.aclose()


def checked(runtime: Runtime) -> Auth:
    """The gateway's authentication. Raises NotFound where the default model doesn't exist, and ConfigError where other
    machines can reach the gateway and there is no key yet.
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
    return Auth(keys, listen.require_keys, listen.host, listen.cors_origins)


def readiness_of(runtime: Runtime) -> Readiness:
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
