"""The gateway of `perpend serve`: it listens at once, while its model is fetched and loaded."""

import asyncio
import contextlib
import itertools
import sys
from functools import partial

from perpend.cli.console import print_row
from perpend.config import Config
from perpend.engine.pull import PullProgress
from perpend.errors import ConfigError, PerpendError
from perpend.runtime import Runtime
from perpend.runtime.metrics import metrics_of
from perpend.serving import server
from perpend.serving.admin import Admin
from perpend.serving.admission.start import admission_of
from perpend.serving.app import App
from perpend.serving.auth import Auth, is_loopback
from perpend.serving.errors import unexpected
from perpend.serving.info import Readiness
from perpend.serving.limits.wiring import limiter_of
from perpend.serving.sealing import seals_of
from perpend.storage.keys import KeyRing

RETRY_S = (5, 10, 20, 60)
"""Seconds between attempts to make the default model ready; the last one repeats."""


async def gateway(config: Config, *, json: bool) -> None:
    """Serve until interrupted. Raises ConfigError where other machines can reach it and there is no key yet, and
    where the address can't be bound; NotFound where the default model doesn't exist.
    """
    listen = config.serve
    async with await Runtime.open(config) as runtime:
        runtime.models.resolve(
            None
        )  # a default model that doesn't exist is said now, not at the first request
        keys = KeyRing(runtime.store)
        if listen.require_keys != "never" and not is_loopback(listen.host) and not keys.any_exist:
            raise ConfigError(
                f"{listen.host} can be reached from other machines, and there is no key yet",
                hint='make one with `perpend keys create NAME`; serve.require_keys = "never" does without',
                field="serve.require_keys",
            )
        auth = Auth(keys, listen.require_keys, listen.host, listen.cors_origins)
        seals = seals_of(listen.seal_keys_env, runtime.home)
        metrics = metrics_of(runtime)
        default = config.defaults.model
        readiness = Readiness(
            runtime.store.check, f"{default} is being made ready", partial(runtime.models.problem, default)
        )
        listener = server.bind(listen.host, listen.port)
        url = server.url_of(listen.host, listener.getsockname()[1])
        if json:
            print_row({"url": url, "model": config.defaults.model, "key": auth.needed})
        _print_greeting(url, config.defaults.model, auth.needed)
        preparing = asyncio.create_task(_prepare(runtime, readiness))
        limiter = limiter_of(config.limits, keys, runtime.store, runtime.home, metrics)
        admin = Admin(runtime.store, config, auth)
        app = App(runtime, auth, metrics, readiness, seals, limiter, admin.routes, admission_of(runtime))
        try:
            await server.serve(server.server_for(app), listener)
        finally:
            await app.aclose()
            preparing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await preparing


async def _prepare(runtime: Runtime, readiness: Readiness) -> None:
    """Make the default model ready, and retry until it is; requests are served meanwhile."""
    name = runtime.config.defaults.model
    for delay_s in itertools.chain(RETRY_S, itertools.repeat(RETRY_S[-1])):
        try:
            await runtime.prepare(None, _PullLines(name))
        except PerpendError as error:
            problem = error
        except Exception as error:
            problem = unexpected(error)
        else:
            readiness.waiting_for = None
            _print_line(f"{name} is ready")
            return
        readiness.waiting_for = problem.client_message.message
        _print_line(f"{name} isn't ready: {problem}\n  trying again in {delay_s} s")
        await asyncio.sleep(delay_s)


class _PullLines:
    """Prints a line for each tenth of a pull."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tenths = -1

    def __call__(self, progress: PullProgress) -> None:
        if progress.notice:
            _print_line(progress.notice)
        tenths = 10 * progress.done // max(1, progress.total)
        if tenths > self._tenths:
            self._tenths = tenths
            done, total = progress.done / 1e6, progress.total / 1e6
            _print_line(f"fetching {self._name} from {progress.source}: {done:,.0f} of {total:,.0f} MB")


def _print_greeting(url: str, model: str, key_needed: bool) -> None:
    key = ' -H "Authorization: Bearer $PERPEND_API_KEY"' if key_needed else ""
    body = '{"messages": [{"role": "user", "content": "What is 17 * 24?"}], "max_thinking_tokens": 128}'
    _print_line(f"perpend listens on {url} with {model}; Ctrl-C stops it. Try:\n")
    _print_line(f"  curl {url}/v1/chat/completions{key} \\")
    _print_line(f"    -d '{body}'\n")


def _print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
