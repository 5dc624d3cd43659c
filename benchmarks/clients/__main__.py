"""Stock clients against `perpend serve`, in front of a model that thinks and calls tools on cue.

    python -m benchmarks.clients --all
    python -m benchmarks.clients --only codex claude-code --cache ~/.cache/perpend-clients
    python -m benchmarks.clients --only codex claude-code --model qwen2.5-coder-1.5b
    python -m benchmarks.clients --list

Needs npm, and packages to install: each client's, once, into the cache. Prints client × what was tried: ✓, ✗ (and what
came instead), or — (the client has no such thing). Exits with 1 where there is a ✗. With a real model, agents are asked
once to change a file, and what they show is printed.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

from benchmarks.clients import table
from benchmarks.clients.client import Client
from benchmarks.clients.gateways import real, scripted
from benchmarks.clients.matrix import Outcome, Place, Room
from benchmarks.clients.rows import CLIENTS

REAL_TIMEOUT_S = 1800


def tried(client: Client, place: Place, cache: Path) -> list[Outcome]:
    outcomes: list[Outcome] = []
    try:
        for outcome in Room(client, place, cache).outcomes():
            print(f"{client.name}: {outcome.cell} {outcome.mark}", file=sys.stderr)
            outcomes.append(outcome)
    except subprocess.CalledProcessError as error:
        return [Outcome("", "✗", f"can't be installed: {error.output[-300:]}")]
    return outcomes


def once(client: Client, place: Place, cache: Path) -> None:
    """An agent's tool loop, whatever comes of it."""
    room = Room(client, place, cache, REAL_TIMEOUT_S)
    print(f"== {client.name}\n{room.turns(client.prompts['tool loop'])}")
    print(f"== the file: {(room.work / 'note.txt').read_text()}")


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
    parser.add_argument("--model", help="a real model, in place of the scripted one")
    options = parser.parse_args()
    chosen = [client for client in CLIENTS if not options.only or client.name in options.only]
    if options.list:
        print("\n".join(f"{one.name}: {' '.join(one.environment.packages)}" for one in chosen))
        return
    cache = options.cache.resolve()
    if options.model:
        with real(options.model) as place:
            for client in chosen:
                once(client, place, cache)
        return
    with scripted() as place:
        found = {client.name: (client, tried(client, place, cache)) for client in chosen}
    print(table.drawn(found, cache))
    sys.exit(any(outcome.mark == "✗" for _client, outcomes in found.values() for outcome in outcomes))


if __name__ == "__main__":
    main()
