"""Stock clients against `perpend serve`, in front of a model that thinks and calls tools on cue.

    python -m benchmarks.clients --all
    python -m benchmarks.clients --only codex claude-code --cache ~/.cache/perpend-clients
    python -m benchmarks.clients --list

Needs npm, and packages to install: each client's, once, into the cache. Prints client × what was tried: ✓, ✗ (and what
came instead), or — (the client has no such thing). Exits with 1 where there is a ✗.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from benchmarks.clients import matrix, table
from benchmarks.clients.matrix import Outcome, Place
from benchmarks.clients.rows import CLIENTS, Client
from benchmarks.clients.upstream import upstream
from benchmarks.load.processes import free_port, started

MODEL = "scripted"
CONFIG = """
[defaults]
model = "{model}"
[providers.script]
like = "vllm"
base_url = "{url}"
[models.{model}]
provider = "script"
name = "scripted"
family = "vllm-budget"
[aliases]
"claude-*" = "{model}"
"gpt-*" = "{model}"
"""


@contextmanager
def gateway() -> Generator[Place]:
    """`perpend serve` with a key of its own, in front of the scripted model."""
    with TemporaryDirectory() as folder, upstream() as model:
        home = Path(folder)
        (home / "perpend.toml").write_text(CONFIG.format(model=MODEL, url=model.url))
        env = {**os.environ, "PERPEND_HOME": str(home)}
        perpend = [sys.executable, "-m", "perpend"]
        made = subprocess.run(
            [*perpend, "keys", "create", "matrix"], env=env, check=True, stdout=subprocess.PIPE, text=True
        )
        port = free_port()
        command = [*perpend, "serve", "--port", str(port)]
        with started("perpend", command, core=None, env=env, home=home) as running:
            running.wait_ready(port, "/readyz")
            yield Place(f"http://127.0.0.1:{port}", made.stdout.strip(), MODEL)


def tried(client: Client, place: Place, cache: Path) -> list[Outcome]:
    outcomes: list[Outcome] = []
    try:
        for outcome in matrix.run(client, place, cache):
            print(f"{client.name}: {outcome.cell} {outcome.mark}", file=sys.stderr)
            outcomes.append(outcome)
    except subprocess.CalledProcessError as error:
        return [Outcome("", "✗", f"can't be installed: {error.output[-300:]}")]
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="every client")
    which.add_argument("--only", nargs="+", metavar="CLIENT", choices=[client.name for client in CLIENTS])
    which.add_argument(
        "--list", action="store_true", help="the clients' names and what is installed for each"
    )
    default = Path(gettempdir()) / "perpend-clients"
    parser.add_argument("--cache", type=Path, default=default, help="where packages are kept")
    options = parser.parse_args()
    chosen = [client for client in CLIENTS if not options.only or client.name in options.only]
    if options.list:
        print("\n".join(f"{one.name}: {' '.join(one.environment.packages)}" for one in chosen))
        return
    cache = options.cache.resolve()
    with gateway() as place:
        found = {client.name: (client, tried(client, place, cache)) for client in chosen}
    print(table.drawn(found, cache))
    sys.exit(any(outcome.mark == "✗" for _client, outcomes in found.values() for outcome in outcomes))


if __name__ == "__main__":
    main()
