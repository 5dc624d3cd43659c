"""Run all checks in order: those without config, those of the config, then those that ask models."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from pathlib import Path

from perpend.cli.doctor import checks, probe
from perpend.cli.doctor.checks import CheckFinding
from perpend.config import Config
from perpend.errors import PerpendError
from perpend.runtime import Runtime

Found = (
    CheckFinding
    | None
    | Iterable[CheckFinding]
    | AsyncIterable[CheckFinding]
    | Awaitable[CheckFinding | None]
)


async def examine(file: Path | None, *, deep: bool, show: bool) -> list[CheckFinding]:
    """Run every check, and print each finding as it comes where `show` is set."""
    findings: list[CheckFinding] = []
    async for finding in _findings(file, deep=deep):
        findings.append(finding)
        if show:
            print(_line(finding), flush=True)
    return findings


def _line(finding: CheckFinding) -> str:
    message = finding.message.replace("\n", "\n    ")
    fix = f"\n    fix: {finding.fix}" if finding.fix else ""
    return f"{'✓' if finding.ok else '✗'} {finding.what}: {message}{fix}"


async def _findings(file: Path | None, *, deep: bool) -> AsyncGenerator[CheckFinding, None]:
    for what, check in (
        ("Python", checks.python),
        ("packages", checks.packages),
        ("engine wheel", checks.wheel),
        ("CPU features", checks.cpu),
        ("sandbox", probe.sandbox),
    ):
        async for finding in guarded(what, check):
            yield finding
    finding, config = checks.config_file(file)
    yield finding
    if config is None:
        return  # the other checks need the config
    for what, check in _of_config(config, deep=deep):
        async for finding in guarded(what, check):
            yield finding
    finding = checks.store(config)
    yield finding
    if not finding.ok:
        return  # without a ledger no model is asked
    async with await Runtime.open(config) as runtime:
        yield probe.models(runtime)
        async for finding in guarded("contexts", lambda: probe.contexts(runtime)):
            yield finding
        async for finding in guarded("engine starts", lambda: probe.embedded(runtime)):
            yield finding
        for name in config.providers:
            async for finding in guarded(f"provider {name}", lambda of=name: _provider(runtime, of, deep)):
                yield finding


def _of_config(config: Config, *, deep: bool) -> list[tuple[str, Callable[[], Found]]]:
    return [
        ("home", lambda: checks.home(config)),
        ("disk", lambda: checks.disk(config)),
        ("RAM", lambda: checks.memory(config)),
        ("weights", lambda: checks.weights(config, deep=deep)),
        ("curves", lambda: checks.curves(config)),
        ("engine.binary", lambda: checks.binary(config)),
        ("port", lambda: checks.port(config)),
    ]


async def _provider(runtime: Runtime, name: str, deep: bool) -> AsyncGenerator[CheckFinding, None]:
    reachable = await probe.reachable(name, runtime.config.providers[name])
    yield reachable
    if not reachable.ok:
        return
    models = probe.models_of(runtime.config, name)  # only named models are asked: others may be expensive
    for model in models if deep else models[:1]:
        async for finding in guarded(model, lambda of=model: probe.ask_model(runtime, of)):
            yield finding


async def guarded(what: str, check: Callable[[], Found]) -> AsyncGenerator[CheckFinding, None]:
    """The findings of a check; one that raises is a finding too."""
    try:
        found = check()
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, AsyncIterable):
            async for finding in found:
                yield finding
        elif isinstance(found, Iterable):
            for finding in found:
                yield finding
        elif found is not None:
            yield found
    except PerpendError as error:
        yield CheckFinding(what=what, ok=False, message=error.message, fix=error.hint)
    except Exception as error:
        message = f"the check itself failed: {type(error).__name__}: {error}"
        yield CheckFinding(what=what, ok=False, message=message, fix="a fault of Perpend's: please report it")
