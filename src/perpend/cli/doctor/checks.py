"""The checks of `perpend doctor` on this machine. Each gives one finding, or one for each item."""

import hashlib
import importlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct, field

from perpend.accounting.curves import installed, read_curve
from perpend.config import Config, home_dir, load
from perpend.engine import hub
from perpend.engine.catalogue import Weights, catalogue, weights_of
from perpend.engine.gguf import read_facts
from perpend.engine.machine import GIB, this_machine
from perpend.errors import ConfigError, PerpendError
from perpend.extras import install
from perpend.private_files import open_to_others, private_folder
from perpend.serving import server
from perpend.storage.store import Store

_PACKAGES = ("aiohttp", "alembic", "httptools", "msgspec", "pip", "prometheus_client", "sqlalchemy", "uvloop")
_ROOM = 1_000_000_000
"""Bytes of disk that logs, ledger and a pull's scratch may take."""
_OVERHEAD = GIB // 2


class CheckFinding(Struct, frozen=True, kw_only=True):
    what: str
    ok: bool
    message: str = field(name="said")
    """`said` in JSON."""
    fix: str | None = None


def python() -> CheckFinding:
    ok = sys.version_info >= (3, 11)
    fix = None if ok else "install Python 3.11 or newer"
    return CheckFinding(what="Python", ok=ok, message=platform.python_version(), fix=fix)


def packages() -> CheckFinding:
    missing: list[str] = []
    for name in _PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    fix = install("--force-reinstall", *missing) if missing else None
    message = f"can't import {', '.join(missing)}" if missing else "all import"
    return CheckFinding(what="packages", ok=not missing, message=message, fix=fix)


def wheel() -> CheckFinding:
    """Import the engine's wheel in a subprocess: one that is built for another CPU kills the process."""
    done = subprocess.run(
        [sys.executable, "-c", "import xllamacpp"], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode == 0:
        return CheckFinding(what="engine wheel", ok=True, message="xllamacpp imports")
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        fix = "set engine.binary to a llama-server that was built for this CPU"
        return CheckFinding(what="engine wheel", ok=False, message=f"xllamacpp dies of {name}", fix=fix)
    message = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    fix = f"{install('--force-reinstall', 'xllamacpp')}, or set engine.binary to a llama-server"
    return CheckFinding(what="engine wheel", ok=False, message=message, fix=fix)


def cpu() -> CheckFinding:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        flags = []
    if platform.machine() not in ("x86_64", "AMD64") or not flags:
        return CheckFinding(what="CPU features", ok=True, message=platform.machine())
    missing = [name.upper() for name in ("avx2", "fma", "f16c") if name not in flags]
    message = f"no {', '.join(missing)}" if missing else "AVX2, FMA, F16C"
    fix = "the embedded engine will be slow: set engine.binary to a build for this CPU" if missing else None
    return CheckFinding(what="CPU features", ok=not missing, message=message, fix=fix)


def config_file(path: Path | None) -> tuple[CheckFinding, Config | None]:
    try:
        loaded = load(path)
    except ConfigError as error:
        return CheckFinding(what="config", ok=False, message=error.message, fix=error.hint), None
    message = f"{loaded.file} is valid" if loaded.file else "no file: the defaults hold"
    return CheckFinding(what="config", ok=True, message=message), loaded.config


def home(config: Config) -> CheckFinding:
    folder = home_dir(config)
    try:
        private_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            others = " (others on this machine may look in: chmod 700)" if open_to_others(folder) else ""
            return CheckFinding(what="home", ok=True, message=f"{folder}{others}")
    except OSError as error:
        fix = "make it writable, or set PERPEND_HOME to a folder of your own"
        return CheckFinding(
            what="home", ok=False, message=f"{folder} can't be written: {error.strerror}", fix=fix
        )


def memory(config: Config) -> CheckFinding:
    machine = this_machine()
    weights = weights_of(config, config.defaults.model)
    need = weights.size * 3 // 2 + _OVERHEAD if weights else GIB
    ok = machine.ram >= need
    message = f"{machine.ram / GIB:.1f} GiB for {machine.cores} cores"
    if ok:
        return CheckFinding(what="RAM", ok=True, message=message)
    fix = "set defaults.model to a smaller one: perpend models list"
    return CheckFinding(
        what="RAM", ok=False, message=f"{message}; the default model needs {need / GIB:.1f}", fix=fix
    )


def disk(config: Config) -> CheckFinding:
    folder = home_dir(config)
    existing_folder = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing_folder).free
    weights = weights_of(config, config.defaults.model)
    need = _ROOM + (weights.size if weights and not weights.pulled(folder) else 0)
    message = f"{free / 1e9:.1f} GB free in {existing_folder}"
    if free >= need:
        return CheckFinding(what="disk", ok=True, message=message)
    fix = f"free {(need - free) / 1e9:.1f} GB, or set PERPEND_HOME to a larger disk"
    return CheckFinding(what="disk", ok=False, message=message, fix=fix)


def weights(config: Config, *, deep: bool) -> Iterator[CheckFinding]:
    """The default model's weights, pulled ones, and GGUF files that the config names. `deep`: verify checksums."""
    folder, default = home_dir(config), weights_of(config, config.defaults.model)
    for row in catalogue().values():
        what, fix = f"weights of {row.name}", f"perpend models pull {row.name}"
        if row.path(folder).exists():
            yield _pulled(row, row.path(folder), deep=deep)
        elif row is default:
            yield CheckFinding(
                what=what, ok=False, message="not here; the first question would fetch them", fix=fix
            )
    files = {name: row.gguf for name, row in config.models.items() if row.embedded and row.gguf}
    default_file = config.defaults.model
    if default_file.endswith(".gguf") and not default_file.startswith(hub.PREFIX):
        files[default_file] = Path(default_file)
    files |= {row.name: row.path(folder) for row in hub.here(folder)}
    for name, path in files.items():
        yield _gguf(name, path)
    for name, row in config.models.items():
        if row.embedded and row.gguf is None and weights_of(config, name) is None:
            message, fix = "no file is named", f"set models.{name}.gguf, or models.{name}.provider"
            yield CheckFinding(what=f"weights of {name}", ok=False, message=message, fix=fix)


def curves(config: Config) -> Iterator[CheckFinding]:
    """Those that are installed; under load a model whose curve can't be read is treated as one without."""
    for path in installed(home_dir(config)):
        what = f"curve {path.stem}"
        try:
            curve = read_curve(path)
        except ConfigError as error:
            yield CheckFinding(what=what, ok=False, message=error.message, fix=error.hint)
            continue
        if curve is not None:
            said = f"{curve.problems} problems of {curve.source.suite} at {len(curve.points)} budgets"
            yield CheckFinding(what=what, ok=True, message=said)


def _pulled(row: Weights, path: Path, *, deep: bool) -> CheckFinding:
    again = f"perpend models rm {row.name}, then perpend models pull {row.name}"
    what, fix = f"weights of {row.name}", "install Perpend again" if row.bundled else again
    size = path.stat().st_size
    if size != row.size and not row.rounded:
        message = f"{path} has {size:,} of {row.size:,} bytes"
        return CheckFinding(what=what, ok=False, message=message, fix=fix)
    if not deep:
        return CheckFinding(what=what, ok=True, message=f"{size / 1e6:.0f} MB; --deep verifies the checksum")
    if _sha256(path) != row.sha256:
        return CheckFinding(
            what=what, ok=False, message=f"{path} has another checksum than was published", fix=fix
        )
    return CheckFinding(what=what, ok=True, message=f"{size / 1e6:.0f} MB, checksum verified")


def _gguf(name: str, path: Path) -> CheckFinding:
    what = f"weights of {name}"
    try:
        facts = read_facts(path)
    except PerpendError as error:
        return CheckFinding(what=what, ok=False, message=error.message, fix=error.hint)
    message = f"{path}: {facts.architecture}, {facts.layers} layers, context {facts.context:,}"
    return CheckFinding(what=what, ok=True, message=message)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def binary(config: Config) -> CheckFinding | None:
    path = config.engine.binary
    if path is None:
        return None
    ok = path.is_file() and os.access(path, os.X_OK)
    message = str(path) if ok else f"{path} is no program that can be run"
    fix = None if ok else "correct engine.binary, or leave it out: the wheel is used then"
    return CheckFinding(what="engine.binary", ok=ok, message=message, fix=fix)


def store(config: Config) -> CheckFinding:
    path = config.storage.path or home_dir(config) / "perpend.db"
    try:
        with Store.open(path, config.storage.durability) as opened:
            opened.check()
    except PerpendError as error:
        return CheckFinding(what="store", ok=False, message=error.message, fix=error.hint)
    return CheckFinding(what="store", ok=True, message=f"{path} can be written")


async def port(config: Config) -> CheckFinding:
    host, number = config.serve.host, config.serve.port
    what = "port"
    try:
        server.bind(host, number).close()
        return CheckFinding(what=what, ok=True, message=f"{host} port {number} is free")
    except ConfigError as error:
        if await _serves_perpend(host, number):
            return CheckFinding(what=what, ok=True, message=f"perpend serves on {host} port {number} already")
        fix = "end what uses it, or choose another: serve.host, serve.port"
        return CheckFinding(what=what, ok=False, message=error.message, fix=fix)


async def _serves_perpend(host: str, number: int) -> bool:
    address = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 -- compared
    url = f"http://[{address}]:{number}" if ":" in address else f"http://{address}:{number}"
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{url}/openapi.json") as reply:
            document = msgspec.json.decode(await reply.read(), type=_OpenAPI)
    except (aiohttp.ClientError, TimeoutError, socket.gaierror, msgspec.MsgspecError):
        return False
    return document.info.title == "Perpend"


class _Info(Struct):
    title: str


class _OpenAPI(Struct):
    info: _Info
