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
from perpend.errors import NotFound
from perpend.runtime import Runtime
from perpend.serving.cache.response_cache import response_cache
from perpend.storage.keys import create_key, revoke_key
from perpend.storage.rows import KeyRow
from perpend.storage.store import Store
from perpend.types import Effort

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)
_ITS_OWN = (signal.SIGINT, signal.SIGQUIT)
"""The terminal sends them to the agent too; what they mean is its to say."""


class KeyDefaults(Struct, frozen=True):
    """Of the run's key: see `storage.rows.KeyRow`."""

    model: str
    effort: Effort | None
    max_thinking_tokens: int | None
    deadline_ms: int | None


class Launch(Struct, frozen=True):
    row: Agent
    defaults: KeyDefaults
    as_json: bool
    """Of its account at the end."""


async def run(launched: Launch, command: list[str], own: tuple[str, ...], config: Config) -> int:
    """The agent's exit status. `own`: its own arguments."""
    row, defaults = launched.row, launched.defaults
    async with await Runtime.open(config, response_cache(config)) as runtime:
        served = runtime.models.resolve(defaults.model)
        note(fitting(row, served, runtime.models.weights(served.name)))
        with pull_progress() as listener:
            await runtime.fetch(defaults.model, listener)
        with _run_key(runtime.store, launched) as (secret, key):
            async with gateway(runtime, secret, key) as url:
                with tempfile.TemporaryDirectory(prefix="perpend-") as folder:
                    shown = Path(served.name).stem if served.name.endswith(".gguf") else served.name
                    told = AgentSettings(
                        url, secret, shown, served.context, defaults.effort, defaults.max_thinking_tokens
                    )
                    arguments, environment = configured(row, told, Path(folder))
                    return await _in_foreground([*command, *arguments, *own], environment)


@contextlib.contextmanager
def _run_key(store: Store, launched: Launch) -> Generator[tuple[str, KeyRow], None, None]:
    """A key for one run: revoked at its end, however that comes, and its account printed."""
    name = f"launch-{launched.row.command}-{secrets.token_hex(3)}"
    secret, key = create_key(store, name, **asdict(launched.defaults), temporary=True)
    try:
        yield secret, key
    finally:
        with contextlib.suppress(NotFound):  # revoked by hand meanwhile
            revoke_key(store, key.id)
        note((account_json if launched.as_json else account)(store, key))


async def _in_foreground(command: list[str], environment: dict[str, str]) -> int:
    """Run it on this terminal; its exit status, 128 and more where a signal ended it."""
    loop = asyncio.get_running_loop()
    for number in _ITS_OWN:
        loop.add_signal_handler(number, lambda: None)
    child = _started(command, environment)
    for number in _PASSED_ON:
        loop.add_signal_handler(number, _pass_on, child, number)
    status = await asyncio.to_thread(_wait, child)
    for number in (*_ITS_OWN, *_PASSED_ON):
        loop.remove_signal_handler(number)
    return 128 - status if status < 0 else status


def _started(command: list[str], environment: dict[str, str]) -> int:
    # SIGPIPE: Python ignores it, which a program would inherit
    return os.posix_spawn(command[0], command, environment, setsigdef=[signal.SIGPIPE])


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _wait(child: int) -> int:
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        os.kill(os.getpid(), signal.SIGSTOP)  # the shell gets its terminal back, as it does from any program
        os.kill(child, signal.SIGCONT)
