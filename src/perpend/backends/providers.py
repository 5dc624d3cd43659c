"""Providers as rows of `providers.toml`: where an account is, how it's authorised, and what is odd there."""

import datetime
import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct, field

Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key"]


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[providers.NAME]` in a user's config goes before the row of the same name, field by field."""

    name: str
    wire: str = "openai_chat"
    """A registered backend."""
    base_url: str = ""
    key_env: str = ""
    """Name of the environment variable that holds the API key."""
    auth: Auth = "bearer"
    """The header that carries the key."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    thinking_in_output: bool = True
    """Whether the output count of its usage includes thinking."""
    source: str = "config"
    date: datetime.date = datetime.date.min


@cache
def providers() -> dict[str, Provider]:
    text = files("perpend.backends").joinpath("providers.toml").read_text(encoding="utf-8")
    return {
        name: msgspec.convert({"name": name, **row}, Provider) for name, row in tomllib.loads(text).items()
    }
