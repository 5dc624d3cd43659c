"""An agent on a gateway, from its key to its account."""

import asyncio
import contextlib
import os
import secrets
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from perpend.cli.console import note, pull_progress
from perpend.cli.launch.agents import Agent, AgentSettings, configured
from perpend.cli.launch.gateway import gateway
from perpend.cli.launch.words import account, account_json, fitting
from perpend.config import Config
from perpend.config.limits import Allowance
from perpend.errors import NotFound
from perpend.runtime import Runtime
from perpend.serving.cache.response_cache import response_cache
from perpend.storage.keys import create_key, revoke_key
from perpend.storage.rows import KeyRow
from perpend.storage.store import Store
from perpend.types import Effort

_FORWARDED = (signal.SIGTERM, signal.SIGHUP)
_LEFT_TO_AGENT = (signal.SIGINT, signal.SIGQUIT)
"""The terminal sends these to the agent too, which handles them."""


class KeyDefaults(Struct, frozen=True):
    """The defaults of the run's key: see `storage.rows.KeyRow`."""

    model: str
    effort: Effort | None
    max_thinking_tokens: int | None
    deadline_ms: int | None
    limits: Allowance | None


class Launch(Struct, frozen=True):
    row: Agent
    defaults: KeyDefaults
    as_json: bool
    """Whether the account at the end is JSON."""


async def run(launched: Launch, command: list[str], agent_arguments: tuple[str, ...], config: Config) -> int:
    """Run an agent, and return its exit status. `agent_arguments`: the user's, after the configured ones. Raises
    PerpendError.
    """
    row, defaults = launched.row, launched.defaults
    async with await Runtime.open(config, cache=response_cache(config)) as runtime:
        served = runtime.models.resolve(defaults.model)
        note(fitting(row, served, runtime.models.weights(served.name)))
        with pull_progress() as listener:
            await runtime.fetch(defaults.model, listener)
        with _run_key(runtime.store, launched) as (secret, key):
            async with gateway(runtime, secret, key) as url:
                with tempfile.TemporaryDirectory(prefix="perpend-") as folder:
                    model_name = Path(served.name).stem if served.name.endswith(".gguf") else served.name
                    settings = AgentSettings(
                        url, secret, model_name, served.context, defaults.effort, defaults.max_thinking_tokens
                    )
                    arguments, environment = configured(row, settings, Path(folder))
                    return await _in_foreground([*command, *arguments, *agent_arguments], environment)


@contextlib.contextmanager
def _run_key(store: Store, launched: Launch) -> Generator[tuple[str, KeyRow], None, None]:
    """A key for one run; always revoked at the end, with its account printed."""
    name = f"launch-{launched.row.command}-{secrets.token_hex(3)}"
    secret, key = create_key(store, name, **asdict(launched.defaults), temporary=True)
    try:
        yield secret, key
    finally:
        with contextlib.suppress(NotFound):  # revoked by hand meanwhile
            revoke_key(store, key.id)
        note((account_json if launched.as_json else account)(store, key))


async def _in_foreground(command: list[str], environment: dict[str, str]) -> int:
    """Run the command on this terminal; its exit status, or 128 + the signal that ended it."""
    loop = asyncio.get_running_loop()
    for number in _LEFT_TO_AGENT:
        loop.add_signal_handler(number, lambda: None)
    child = _started(command, environment)
    for number in _FORWARDED:
        loop.add_signal_handler(number, _forward, child, number)
    status = await asyncio.to_thread(_wait, child)
    for number in (*_LEFT_TO_AGENT, *_FORWARDED):
        loop.remove_signal_handler(number)
    return 128 - status if status < 0 else status


def _started(command: list[str], environment: dict[str, str]) -> int:
    # SIGPIPE: Python ignores it, which a program would inherit
    return os.posix_spawn(command[0], command, environment, setsigdef=[signal.SIGPIPE])


def _forward(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _wait(child: int) -> int:
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        os.kill(os.getpid(), signal.SIGSTOP)  # the shell gets its terminal back, as it does from any program
        os.kill(child, signal.SIGCONT)
