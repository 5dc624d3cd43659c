"""`perpend doctor`: a line for each thing that can be wrong, with its fix."""

import asyncio
import importlib
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec import Struct

from perpend.cli.console import print_json
from perpend.config import Config, home_dir, load_config
from perpend.engine.catalogue import catalogue
from perpend.engine.machine import this_machine
from perpend.errors import PerpendError
from perpend.runtime import Runtime
from perpend.types import Limits, Message, Request

_WHEELS = ("xllamacpp", "uvloop", "httptools", "msgspec", "aiohttp", "sqlalchemy")


class Finding(Struct, frozen=True):
    what: str
    ok: bool
    said: str
    fix: str | None = None


Check = Callable[[Config], Awaitable[Finding]]


async def _python(config: Config) -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, platform.python_version(), None if ok else "install Python 3.11 or newer")


async def _wheels(config: Config) -> Finding:
    missing: list[str] = []
    for name in _WHEELS:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    fix = f"pip install {' '.join(missing)}" if missing else None
    return Finding("packages", not missing, ", ".join(missing) or "all import", fix)


async def _machine(config: Config) -> Finding:
    machine = this_machine()
    gib = machine.ram / (1 << 30)
    fix = None if gib >= 2 else "use qwen2.5-coder-0.5b or smollm2-135m"
    return Finding("cores and RAM", gib >= 2, f"{machine.cores} cores, {gib:.1f} GiB", fix)


def _cpu_flags() -> str | None:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return None


async def _cpu(config: Config) -> Finding:
    flags = _cpu_flags()
    if flags is None:
        return Finding("CPU features", True, platform.machine())
    ok = platform.machine() != "x86_64" or ("avx2" in flags and "fma" in flags)
    fix = None if ok else "the embedded engine will be slow: set engine.binary to a build for this CPU"
    return Finding("CPU features", ok, "AVX2, FMA" if ok else "no AVX2 or FMA", fix)


async def _disk(config: Config) -> Finding:
    home = home_dir(config)
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    fix = None if free > 2e9 else "free some space, or set PERPEND_HOME to a larger disk"
    return Finding("disk", free > 2e9, f"{free / 1e9:.1f} GB free in {home}", fix)


def _pulled(config: Config) -> list[str]:
    return [name for name, weights in catalogue().items() if weights.pulled(home_dir(config))]


async def _weights(config: Config) -> Finding:
    here = _pulled(config)
    fix = None if here else f"perpend models pull {config.defaults.model}"
    return Finding("weights", bool(here), ", ".join(here) or "none here", fix)


async def _store(config: Config) -> Finding:
    try:
        async with await Runtime.open(config) as runtime:
            runtime.store.check()
            return Finding("store", True, str(runtime.store.path))
    except PerpendError as error:
        return Finding("store", False, error.message, error.hint)


async def _engine(config: Config) -> Finding:
    here = _pulled(config)
    if not here:
        return Finding("engine", False, "no weights to start it with", "perpend models pull smollm2-135m")
    model = config.defaults.model if config.defaults.model in here else here[-1]
    return await _asked("engine", config, model)


async def _asked(what: str, config: Config, model: str) -> Finding:
    """Streams, thinks, holds a budget, reports usage: one small request tells."""
    request = Request(
        messages=(Message("user", "What is 2 + 3?"),),
        model=model,
        limits=Limits(max_thinking_tokens=16, max_output_tokens=48),
    )
    try:
        async with await Runtime.open(config) as runtime:
            await runtime.prepare(model)
            answer = await runtime.solve(request, source="doctor")
    except PerpendError as error:
        return Finding(what, False, f"{model}: {error.message}", error.hint)
    used = answer.usage
    ok = used.thinking <= 16 and used.output > 0
    said = f"{model}: thought {used.thinking} of 16 tokens, answered {used.answer}, {answer.elapsed_s:.1f} s"
    return Finding(what, ok, said, None if ok else "it doesn't hold a thinking budget: choose its family")


CHECKS: tuple[Check, ...] = (_python, _wheels, _machine, _cpu, _disk, _weights, _store, _engine)


def doctor(
    *,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    config: Annotated[Path | None, Parameter(name=["--config", "-c"])] = None,
) -> None:
    """Check everything that Perpend needs; exit status 1 if something is wrong."""
    findings = asyncio.run(_examine(load_config(config)))
    if json:
        print_json(findings)
    else:
        for finding in findings:
            print(f"{'✓' if finding.ok else '✗'} {finding.what}: {finding.said}")
            if finding.fix:
                print(f"    fix: {finding.fix}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


async def _examine(config: Config) -> list[Finding]:
    findings = [await check(config) for check in CHECKS]
    remote = [name for name, row in config.models.items() if row.provider != "embedded"]
    return findings + [await _asked(f"provider of {name}", config, name) for name in remote]
