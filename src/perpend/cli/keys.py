"""`perpend keys`: API keys for those who may use the gateway."""

import datetime as dt
import sys
from typing import Annotated

from cyclopts import App

from perpend.cli.console import print_json, print_table
from perpend.cli.options import EFFORT, ConfigFile, Json, Thinking, milliseconds
from perpend.cli.store import open_store
from perpend.config import load_config
from perpend.storage.rows import KeyRow
from perpend.types import Effort

_DEFAULTS = ("model", "effort", "max_thinking_tokens", "deadline_ms")

app = App(
    name="keys",
    help="API keys for those who may use the gateway. Only a hash of each is kept.\n\n"
    "Such as `perpend keys create laptop`.",
)


@app.command
def create(
    name: str,
    /,
    *,
    model: str | None = None,
    effort: Annotated[Effort | None, EFFORT] = None,
    max_thinking_tokens: Thinking = None,
    deadline: str | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Make a key and print it, this once: it can't be shown again. Options hold for its requests.

    Examples:

    - `export PERPEND_API_KEY=$(perpend keys create laptop)`
    - `perpend keys create ci --model openai/o4-mini --effort low`

    Parameters
    ----------
    name
        Who or what will use it; shown by `perpend keys list` and `perpend usage`.
    model
        Answers each of its requests, whatever model they name; as in `perpend ask`.
    effort
        Of requests that don't say how much to think: none, minimal, low, medium, high or max.
    max_thinking_tokens
        Of requests that name no number: think at most this many tokens.
    deadline
        Of requests without one: 5s, 500ms, 2m.
    json
        Print an object with the key's id as well.
    """
    from perpend.cli.models.servable import servable
    from perpend.storage.keys import create_key

    served = None if model is None else servable(model, load_config(config))
    with open_store(config) as store:
        secret, row = create_key(
            store,
            name,
            model=served,
            effort=effort,
            max_thinking_tokens=max_thinking_tokens,
            deadline_ms=milliseconds(deadline),
        )
    if json:
        print_json({"secret": secret, **_key_facts(row, None)})
    else:
        print(secret)
    print(
        f"made {row.id} ({name}); keep it now, it isn't shown again. Clients send it as their API key:\n"
        f"  Authorization: Bearer {row.prefix}…\n"
        "The gateway needs keys from now on, on loopback too.",
        file=sys.stderr,
    )


@app.command(name="list")
def list_(*, json: Json = False, config: ConfigFile = None) -> None:
    """Show all keys: name, id, first characters, when made and last used, whether revoked, what holds for requests.

    Example: `perpend keys list --json`

    Parameters
    ----------
    json
        Print an array of objects.
    """
    from perpend.storage.keys import list_keys
    from perpend.storage.usage import last_used

    with open_store(config) as store:
        keys, used = list_keys(store), last_used(store)
    if json:
        print_json([_key_facts(key, used.get(key.id)) for key in keys])
    elif keys:
        _print_table(keys, used)
    else:
        print("no keys yet: perpend keys create NAME", file=sys.stderr)


@app.command
def revoke(key: str, /, *, json: Json = False, config: ConfigFile = None) -> None:
    """Revoke a key: a running gateway refuses it within a second. What it used stays in the ledger.

    Example: `perpend keys revoke laptop`

    Parameters
    ----------
    key
        Its id, its name, or its first characters (`pk-…`).
    json
        Print the revoked key as an object.
    """
    from perpend.storage.keys import revoke_key

    with open_store(config) as store:
        row = revoke_key(store, key)
    if json:
        print_json(_key_facts(row, None))
    else:
        print(f"revoked {row.id} ({row.name})", file=sys.stderr)


def _key_facts(key: KeyRow, used: dt.datetime | None) -> dict[str, object]:
    """A key's public fields: all but its hash."""
    shown: dict[str, object] = {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
        **{name: getattr(key, name) for name in _DEFAULTS},
    }
    return shown if used is None else {**shown, "last_used_at": used}


def _print_table(keys: list[KeyRow], used: dict[str, dt.datetime]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("name", "id", "key", "made", "last used", "revoked", "defaults"):
        table.add_column(title, no_wrap=True)
    for key in keys:
        last = _day(used[key.id]) if key.id in used else "never"
        revoked = _day(key.revoked_at) if key.revoked_at else ""
        style = "dim" if key.revoked_at else None
        table.add_row(
            key.name,
            key.id,
            f"{key.prefix}…",
            _day(key.created_at),
            last,
            revoked,
            _defaults_text(key),
            style=style,
        )
    print_table(table)


def _defaults_text(key: KeyRow) -> str:
    """A key's defaults as a text."""
    tokens = "" if key.max_thinking_tokens is None else f"{key.max_thinking_tokens:,} thinking tokens"
    deadline = "" if key.deadline_ms is None else f"{key.deadline_ms / 1000:g} s"
    effort = "" if key.effort is None else f"{key.effort} effort"
    return ", ".join(part for part in (key.model, effort, tokens, deadline) if part)


def _day(moment: dt.datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d")
