"""Providers as rows of `providers.toml`: where an account is, how it's authorised, and what is odd there."""

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
"""What stands in a knob for the call's thinking tokens, its effort word, and the family's switch."""


@lru_cache(maxsize=4096)
def fits(model: str, globs: tuple[str, ...]) -> bool:
    """Whether one of the globs matches a model's name, lower case."""
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
    """The budget is the server's own doing: it holds for any model."""


class Provider(Struct, frozen=True, eq=False, kw_only=True, forbid_unknown_fields=True):
    """`[providers.NAME]` in a user's config goes before the row of the same name, field by field."""

    name: str
    wire: str = "openai_chat"
    """A registered backend."""
    base_url: str = ""
    """`${VARIABLE}` stands for one of the environment."""
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
    """Where earlier thoughts are sent back, if the family wants any: a message's field, or in its content."""
    splits: Splits = "always"
    """Whether thinking comes apart from the text, or inside it between the family's tags; `if_told`: as the server was
    started."""
    json_schema: bool = True
    """Takes a schema as the format of its output; else any JSON, and the schema is told in words."""
    fields: dict[str, str] = field(default_factory=dict[str, str])
    """Its own names for fields of the body; an empty one: it refuses that field."""
    max_output: dict[str, int] = field(default_factory=dict[str, int])
    """Tokens that a model writes at most here, thinking and answer together, by globs over names: the longest one
    holds, before what the model's family says."""
    background: tuple[Effort, ...] = ()
    """Efforts at which a response is made in the background, where it outlives its connection."""
    prices: str = ""
    """The provider under whose name its prices are listed; empty: its own."""
    source: str = "config"
    date: datetime.date = datetime.date.min
    note: str = ""
    """Where sources disagree, or what the figures rest on."""

    def rename(self, body: dict[str, Any]) -> None:
        """Fields of a request get the names that they have here; those that it refuses go."""
        for field_, own in self.fields.items():
            if field_ in body:
                value = body.pop(field_)
                if own:
                    body[own] = value


@cache
def providers() -> dict[str, Provider]:
    text = files("perpend.providers").joinpath("providers.toml").read_text(encoding="utf-8")
    return {
        name: msgspec.convert({"name": name, **row}, Provider) for name, row in tomllib.loads(text).items()
    }


def provider_in(name: str, own: Iterable[str] = ()) -> tuple[str, str] | None:
    """The provider that a name begins with, `own` ones among them, and its name for the model; None: none does.

    In whatever case: `OpenAI/gpt-4o` is `openai/gpt-4o`, unless there are both.
    """
    prefix, _, model = name.partition("/")
    known = [*own, *providers()]
    found = [prefix] if prefix in known else [one for one in known if one.lower() == prefix.lower()]
    return (found[0], model) if found and model else None
