"""Providers as rows of `providers.toml`: their addresses, authorisation, and ways of their own."""

import datetime
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from perpend.config.schema import Auth
from perpend.types import Effort

Thoughts = Literal[
    "dropped", "reasoning_content", "reasoning", "reasoning_details", "chunks", "blocks", "tags"
]
Splits = Literal["always", "if_told", "never"]
BUDGET, EFFORT, SWITCH = "$budget", "$effort", "$switch"
"""Placeholders in a knob: the call's thinking tokens, its effort word, and the family's switch field."""


@lru_cache(maxsize=4096)
def matches_any(model: str, globs: tuple[str, ...]) -> bool:
    """Whether one of the globs, in lower case, matches a model's name in any case."""
    return any(fnmatchcase(model.lower(), glob) for glob in globs)


class Knob(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field of the request's body that steers thinking."""

    field: str
    """A dot goes one object down: `thinking.type`. `$switch`: as the model's family calls it, if it has one."""
    on: Any = None
    """Sent when there is to be thinking; `$budget` and `$effort` are the call's own. None: nothing.

    A budget is sent for families that take one, an effort for those that take one.
    """
    off: Any = None
    """Sent when there is to be none."""
    models: tuple[str, ...] = ("*",)
    """Globs over lower-case model names; of the knobs with one field, the first that matches holds."""
    efforts: tuple[Effort, ...] = ()
    """The effort words that it takes here, from any family; empty: as the model's family says."""
    any_family: bool = False
    """The server itself enforces the budget, so it works for any model."""


class LoadMetrics(Struct, frozen=True, forbid_unknown_fields=True):
    """Names of metrics that a server has at `/metrics`, beside its API's address."""

    running: str
    """Calls that it works on."""
    waiting: str
    """Calls that wait until it does."""
    kv_used: str
    """The share of its KV memory in use, from 0 to 1."""


class Provider(Struct, frozen=True, eq=False, kw_only=True, forbid_unknown_fields=True):
    """`[providers.NAME]` in a user's config goes before the row of the same name, field by field."""

    name: str
    wire: str = "openai_chat"
    """A registered backend."""
    base_url: str = ""
    """`${VARIABLE}` is replaced from the environment."""
    key_env: str = ""
    """Name of the environment variable that holds the API key."""
    auth: Auth = "bearer"
    """The header that carries the key; what stands in for one where it is `sigv4` or `google`."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    thinking_in_output: bool = True
    """Whether the output count of its usage includes thinking."""
    knobs: tuple[Knob, ...] = ()
    """How thinking is asked for; empty: by the fields that the model's family names."""
    thoughts: Thoughts = "dropped"
    """How earlier thoughts are sent back, where the family wants them: in a message's field, or in its content."""
    splits: Splits = "always"
    """Whether the server separates thinking from the text, or leaves it between the family's tags; `if_told`: it
    depends on how the server was started."""
    json_schema: bool = True
    """It accepts a JSON schema as output format; else it is asked for any JSON, and the prompt has the schema."""
    fields: dict[str, str] = field(default_factory=dict[str, str])
    """Its own names for fields of the body; "": it refuses that field."""
    max_output: dict[str, int] = field(default_factory=dict[str, int])
    """Tokens that a model writes at most here, thinking and answer together, by globs over names: the longest one
    holds, before what the model's family says."""
    load_metrics: LoadMetrics | None = None
    """Where a server tells how much it has to do; None: it doesn't."""
    background: tuple[Effort, ...] = ()
    """Efforts at which a response is made in the background, where it outlives its connection."""
    prices: str = ""
    """The provider under whose name its prices are listed; empty: its own."""
    source: str = "config"
    date: datetime.date = datetime.date.min
    note: str = ""
    """Where sources disagree, or what the figures rest on."""

    def rename(self, body: dict[str, Any]) -> None:
        """Rename the body's fields, in place, as `fields` says; those that it refuses are removed."""
        for field_, name in self.fields.items():
            if field_ in body:
                value = body.pop(field_)
                if name:
                    body[name] = value


@cache
def providers() -> dict[str, Provider]:
    """All rows, by their names."""
    text = files("perpend.providers").joinpath("providers.toml").read_text(encoding="utf-8")
    return {
        name: msgspec.convert({"name": name, **row}, Provider) for name, row in tomllib.loads(text).items()
    }


def provider_in(name: str, configured: Iterable[str] = ()) -> tuple[str, str] | None:
    """`PROVIDER/MODEL` as provider and model, the `configured` providers first; None where it names no provider.

    Case doesn't matter, unless two providers differ by it alone.
    """
    prefix, _, model = name.partition("/")
    known = [*configured, *providers()]
    found = [prefix] if prefix in known else [each for each in known if each.lower() == prefix.lower()]
    return (found[0], model) if found and model else None
