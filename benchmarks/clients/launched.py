"""What `perpend launch` promises of stock agents: the account is the ledger's, and their own files stay as they were.

    python -m benchmarks.clients.launched
    python -m benchmarks.clients.launched codex claude --cache ~/.cache/perpend-clients

Each agent has a configuration of its own that leads nowhere, and is launched over it for a tool loop in front of the
scripted model. Prints agent × {tool loop, account, untouched}. Exits with 1 where there is a ✗.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path
from tempfile import gettempdir

from benchmarks.clients.agents import AGENTS, LAUNCHED
from benchmarks.clients.cells import CELLS
from benchmarks.clients.client import Client
from benchmarks.clients.gateways import scripted
from benchmarks.clients.matrix import Outcome, Place, Room, judged

_ACCOUNT = re.compile(
    r"(?P<key>launch-\S+) used (?P<requests>[\d,]+) requests? · "
    r"(?P<input>[\d,]+) tokens in \((?P<cached>[\d,]+) cached\) · "
    r"(?P<thinking>[\d,]+) thinking · (?P<answer>[\d,]+) answer · \$(?P<cost_usd>[\d.]+)"
)
_LOOP = next(cell for cell in CELLS if cell.name == "tool loop")


def tried(client: Client, place: Place, cache: Path) -> Generator[Outcome]:
    own = next(one for one in AGENTS if one.argv[1:] == client.argv[client.argv.index("--") + 1 :])
    nowhere = place._replace(url="http://127.0.0.1:9", key="no-key")
    room = Room(client._replace(configuration=own.configuration), nowhere, cache)
    before = {file: (room.root / file).read_bytes() for file in own.configuration}
    loop = client.prompts.get("tool loop", _LOOP)
    shown = room.turns(loop)
    yield judged(loop, shown)
    said, booked = accounts(shown), ledger(place.home)
    same = len(said) == 1 and said[0] in booked
    yield Outcome("account", "✓" if same else "✗", f"{said} isn't among {booked}")
    changed = [file for file, data in before.items() if (room.root / file).read_bytes() != data]
    yield Outcome("untouched", "✗" if changed else "✓", f"{', '.join(changed)} changed")


def accounts(shown: str) -> list[dict[str, str | Decimal]]:
    """What launches said at their ends, as `perpend usage --json` says it."""
    return [
        {
            name: text if name == "key" else Decimal(text.replace(",", ""))
            for name, text in said.groupdict().items()
        }
        for said in _ACCOUNT.finditer(shown)
    ]


def ledger(home: Path) -> list[dict[str, str | Decimal]]:
    command = [sys.executable, "-m", "perpend", "usage", "--by", "key", "--json"]
    env = {**os.environ, "PERPEND_HOME": str(home)}
    told = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(told, parse_float=Decimal)["rows"]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clients.launched",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rows = {client.argv[2]: client for client in LAUNCHED}
    parser.add_argument("agents", nargs="*", metavar="AGENT", help=f"of {', '.join(rows)}; default: all")
    default = Path(gettempdir()) / "perpend-clients"
    parser.add_argument("--cache", type=Path, default=default, help="where packages are kept")
    options = parser.parse_args()
    failed = False
    with scripted() as place:
        for name in options.agents or rows:
            outcomes = list(tried(rows[name], place, options.cache.resolve()))
            print(f"{name}: {', '.join(f'{one.cell} {one.mark}' for one in outcomes)}", flush=True)
            wrong = [f"  {one.cell}: {one.why}\n" for one in outcomes if one.mark == "✗"]
            print("".join(wrong), end="")
            failed = failed or bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
