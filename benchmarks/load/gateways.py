"""The gateways that can be measured, each started as its user would, with the same upstream behind it."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import msgspec

from . import litellm as litellm_proxy
from . import vllm_router as router
from .generator import Endpoint
from .processes import Running, free_port, started

HERE = Path(__file__).parent
CONFIG = """\
[defaults]
model = "fake-reasoner"

[serve]
port = {port}
require_keys = "always"

[providers.fake]
base_url = "{upstream}"

[models.fake-reasoner]
provider = "fake"
price = {{ input = 1.0, output = 4.0 }}
"""


class Gateway(msgspec.Struct):
    """Something that relays chat completions; `running` is None for one that somebody else started."""

    name: str
    version: str
    endpoint: Endpoint
    running: Running | None = None
    idle_mib: float | None = None
    home: Path | None = None


Starter = Callable[[str, int | None, Path], AbstractContextManager[Gateway]]


def upstream(core: int | None, home: Path, delay_ms: float) -> AbstractContextManager[Gateway]:
    return model_server("benchmarks.load.upstream", core, home, "--chunk-delay-ms", str(delay_ms))


@contextmanager
def model_server(module: str, core: int | None, home: Path, *options: str) -> Generator[Gateway]:
    """A module of these benchmarks that stands in for a model's server, in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", module, "--port", str(port), *options]
    env = {**environment(home), "PYTHONPATH": str(HERE.parent.parent)}
    with started("upstream", command, core=core, env=env, home=home) as running:
        running.wait_ready(port, "/v1/models")
        yield Gateway("direct", "", Endpoint(f"http://127.0.0.1:{port}/v1"), running)


@contextmanager
def perpend(
    upstream_url: str,
    core: int | None,
    home: Path,
    config: str = CONFIG,
    *,
    deadline: str = "",
    more: Mapping[str, str] = MappingProxyType({}),
    name: str = "perpend",
    workers: int = 1,
) -> Generator[Gateway]:
    """`perpend serve` with authentication, prices, ledger and events on, and a key of its own; `deadline` is that
    key's, `more` is in its environment. Several workers aren't pinned to a core.
    """
    port, env = free_port(), {**environment(home), **more}
    (home / "perpend.toml").write_text(config.format(port=port, upstream=upstream_url))
    program = str(Path(sys.executable).parent / "perpend")
    made = subprocess.run(
        [program, "keys", "create", "bench", "--json", *(["--deadline", deadline] if deadline else [])],
        env=env,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise SystemExit(f"perpend keys create failed:\n{made.stderr[-3000:]}")
    key = msgspec.json.decode(made.stdout)["secret"]
    core = core if workers == 1 else None
    serve = [program, "serve", "--workers", str(workers)]
    with started(name, serve, core=core, env=env, home=home) as running:
        running.wait_ready(port, "/readyz")
        yield gateway(name, version("perpend"), port, key, running, home)


def checkout(folder: Path) -> Starter:
    """`perpend serve` from another checkout's source, by this interpreter and with its packages."""

    def start(upstream_url: str, core: int | None, home: Path) -> AbstractContextManager[Gateway]:
        source = {"PYTHONPATH": str(folder.resolve() / "src")}
        return perpend(upstream_url, core, home, more=source, name="checkout")

    return start


def with_workers(count: int) -> Starter:
    """`perpend serve --workers`."""

    def start(upstream_url: str, core: int | None, home: Path) -> AbstractContextManager[Gateway]:
        return perpend(upstream_url, core, home, workers=count, name="workers")

    return start


@contextmanager
def bare(upstream_url: str, core: int | None, home: Path) -> Generator[Gateway]:
    port, key = free_port(), secrets.token_hex(16)
    command = [sys.executable, str(HERE / "bare_relay.py"), "--port", str(port), "--key", key]
    command += ["--upstream", upstream_url]
    with started("bare", command, core=core, env=environment(home), home=home) as running:
        running.wait_ready(port, "/healthz")
        yield gateway("bare", f"uvicorn {version('uvicorn')}", port, key, running, home)


@contextmanager
def litellm(upstream_url: str, core: int | None, home: Path) -> Generator[Gateway]:
    port = free_port()
    command, env, key = litellm_proxy.command(port, upstream_url, home)
    with started("litellm", command, core=core, env=env, home=home) as running:
        running.wait_ready(port, "/health/liveliness")
        yield gateway("litellm", litellm_proxy.VERSION, port, key, running, home)


@contextmanager
def vllm_router(upstream_url: str, core: int | None, home: Path) -> Generator[Gateway]:
    port = free_port()
    command, env = router.command(port, free_port(), upstream_url, home)
    with started("vllm-router", command, core=core, env=env, home=home) as running:
        running.wait_ready(port, "/health")
        yield gateway("vllm-router", router.PEER.version, port, "", running, home)


def gateway(name: str, release: str, port: int, key: str, running: Running, home: Path) -> Gateway:
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", key)
    return Gateway(name, release, endpoint, running, running.memory_mib(), home)


def environment(home: Path) -> dict[str, str]:
    """No more than a program needs, so that a machine's settings don't change the figures."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "PERPEND_HOME": str(home)}


STARTERS: dict[str, Starter] = {
    "perpend": perpend,
    "bare": bare,
    "litellm": litellm,
    "vllm-router": vllm_router,
}
