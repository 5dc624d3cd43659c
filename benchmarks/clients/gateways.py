"""`perpend serve` for the clients: in front of the scripted model, or of a real one."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clients.matrix import Place
from benchmarks.clients.upstream import upstream
from benchmarks.load.processes import free_port, started
from perpend.config import home_dir

_SCRIPTED = """
[providers.script]
like = "vllm"
base_url = "{url}"
[models.scripted]
provider = "script"
family = "vllm-budget"
[aliases]
"claude-*" = "scripted"
"gpt-*" = "scripted"
"""


@contextmanager
def scripted() -> Generator[Place]:
    """In front of a model that thinks and calls tools on cue, which answers to its vendors' names as well."""
    with upstream() as model, _serving("scripted", _SCRIPTED.format(url=model.url)) as place:
        yield place


@contextmanager
def real(model: str) -> Generator[Place]:
    """In front of a model whose weights are here."""
    with _serving(model, "", weights=home_dir() / "weights") as place:
        yield place


@contextmanager
def _serving(model: str, config: str, *, weights: Path | None = None) -> Generator[Place]:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "perpend.toml").write_text(f'[defaults]\nmodel = "{model}"\n{config}')
        if weights is not None:
            (home / "weights").symlink_to(weights)
        env = {**os.environ, "PERPEND_HOME": folder}
        perpend = [sys.executable, "-m", "perpend"]
        port = free_port()
        create = [*perpend, "keys", "create", "matrix"]
        made = subprocess.run(create, env=env, check=True, capture_output=True, text=True)
        command = [*perpend, "serve", "--port", str(port)]
        with started("perpend", command, core=None, env=env, home=home) as running:
            running.wait_ready(port, "/readyz", 300)
            yield Place(f"http://127.0.0.1:{port}", made.stdout.strip(), model, home)
