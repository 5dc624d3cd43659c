"""`perpend keys`: API keys for those who may use the gateway."""

import datetime as dt
import sys

from cyclopts import App

from perpend.cli.allowances import allowance_of, allowance_text
from perpend.cli.console import print_json, print_table
from perpend.cli.option_groups import KeyDefaultOptions
from perpend.cli.options import ConfigFile, Flag, Json, Limit, milliseconds
from perpend.cli.store import open_store
from perpend.config import load_config
from perpend.config.limits import UNLIMITED
from perpend.errors import BadRequest
from perpend.storage.rows import KeyRow

_FACTS = ("model", "effort", "max_thinking_tokens", "deadline_ms", "team", "admin", "limits")
_NO_DEFAULTS = KeyDefaultOptions()

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
    defaults: KeyDefaultOptions = _NO_DEFAULTS,
    limit: Limit = (),
    team: str | None = None,
    admin: Flag = False,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Make a key and print it, this once: it can't be shown again. Options hold for its requests.

    Examples:

    - `export PERPEND_API_KEY=$(perpend keys create laptop)`
    - `perpend keys create ci --model openai/o4-mini --effort low`
    - `perpend keys create app --limit usd_per_month=20 --limit requests_per_minute=60`

    Parameters
    ----------
    name
        Who or what will use it; shown by `perpend keys list` and `perpend usage`.
    limit
        What it may use, such as usd_per_day=5 or thinking_tokens_per_minute=20000; repeatable. The configuration
        reference lists all, under limits.keys.
    team
        Whose limits hold as well.
    admin
        It may manage keys and limits through the gateway's /v1/admin.
    json
        Print an object with the key's id as well.
    """
    from perpend.cli.models.servable import servable
    from perpend.storage.keys import create_key

    served = None if defaults.model is None else servable(defaults.model, load_config(config))
    with open_store(config) as store:
        secret, row = create_key(
            store,
            name,
            model=served,
            effort=defaults.effort,
            max_thinking_tokens=defaults.max_thinking_tokens,
            deadline_ms=milliseconds(defaults.deadline),
            team=team,
            admin=admin,
            limits=allowance_of(limit),
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
def limit(
    name: str,
    /,
    *limits: str,
    team: Flag = False,
    user: Flag = False,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Set what a key may use, or a team or user; without limits, show it. A running gateway knows within a second.

    Examples:

    - `perpend keys limit app usd_per_month=20 concurrent_requests=4`
    - `perpend keys limit app usd_per_month=none`
    - `perpend keys limit --team research usd_per_day=50`
    - `perpend keys limit --user "*" requests_per_minute=10`

    Parameters
    ----------
    name
        A key's id, name or first characters; a team's or user's name, `*` for each one that has no limits of its own.
    limits
        LIMIT=VALUE; `none` takes one away.
    team
        The name is a team's.
    user
        The name is a user's.
    json
        Print the limits as an object.
    """
    from perpend.storage.allowances import read_allowances, set_allowance
    from perpend.storage.keys import active_key, change_key

    if team and user:
        raise BadRequest(
            "a name is a team's or a user's", hint="give one of --team and --user", field="--team"
        )
    with open_store(config) as store:
        if team or user:
            kind = "team" if team else "user"
            allowance = read_allowances(store).get((kind, name))
            if limits:
                allowance = allowance_of(limits, allowance)
                set_allowance(store, kind, name, allowance)
        else:
            row = active_key(store, name)
            allowance = row.limits
            if limits:
                allowance = change_key(store, row.id, limits=allowance_of(limits, allowance)).limits
    if json:
        print_json(UNLIMITED if allowance is None else allowance)
    else:
        print(allowance_text(allowance) or "no limits")


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
        **{name: getattr(key, name) for name in _FACTS},
    }
    return shown if used is None else {**shown, "last_used_at": used}


def _print_table(keys: list[KeyRow], used: dict[str, dt.datetime]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("name", "id", "key", "made", "last used", "revoked", "what holds"):
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
    """A key's defaults, team and limits as a text."""
    tokens = "" if key.max_thinking_tokens is None else f"{key.max_thinking_tokens:,} thinking tokens"
    deadline = "" if key.deadline_ms is None else f"{key.deadline_ms / 1000:g} s"
    effort = "" if key.effort is None else f"{key.effort} effort"
    team = "" if key.team is None else f"team {key.team}"
    parts = (
        key.model,
        effort,
        tokens,
        deadline,
        team,
        "admin" if key.admin else "",
        allowance_text(key.limits),
    )
    return ", ".join(part for part in parts if part)


def _day(moment: dt.datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d")
