"""How model families think, as rows of `families.toml`: tags, prompts, effort to tokens, budget semantics."""

import datetime
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

from perpend.errors import ConfigError
from perpend.registry import choices_hint
from perpend.types import Effort

BudgetSemantics = Literal["exact", "native_hard", "native_soft", "effort_only", "none"]


class Family(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    match: tuple[str, ...]
    """Globs over lower-case model names."""
    budget: BudgetSemantics
    effort: dict[Effort, int]
    """Thinking tokens for each effort word."""
    answer_tokens: int
    """Tokens kept free for the answer, and its default limit."""
    source: str
    date: datetime.date

    # Raw completion: how the prompt is written and where thinking begins and ends.
    template: Literal["chatml", "server"] = "chatml"
    """`server`: the one inside the GGUF, applied by llama.cpp."""
    open: str = ""
    close: str = ""
    answer_prefix: str = ""
    wait: str = ""
    """Appended to a thought that ended early, to make it go on (Muennighoff et al., arXiv:2501.19393)."""
    skip: str = ""
    """What stands in the place of thinking when there is none."""
    system: str = ""
    """Makes a model think that has no think tags of its own."""
    temperature: float | None = None
    tools: Literal["hermes", "none"] = "hermes"
    """How tools and formats are told in a raw prompt (`backends/tool_text`); `none`: it wouldn't understand."""

    # Chat wires: the names of the server's own knobs, and what it refuses.
    budget_field: str | None = None
    effort_field: str | None = None
    max_tokens_field: str = "max_tokens"
    efforts: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high")
    """The effort words that the server takes; others are sent as the nearest below, or the lowest."""
    sampling_fixed: bool = False
    """The server refuses temperature and top_p."""


@cache
def families() -> dict[str, Family]:
    text = files("perpend.backends").joinpath("families.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)
    return {name: msgspec.convert({"name": name, **row}, Family) for name, row in rows.items()}


def family_named(name: str) -> Family:
    """Raises ConfigError naming the nearest family."""
    try:
        return families()[name]
    except KeyError:
        hint = choices_hint(name, families())
        raise ConfigError(f"unknown model family {name!r}", hint=hint) from None


@cache
def family_of(model: str) -> Family:
    """The first row that matches a model's name; `generic` matches all."""
    lowered = model.lower()
    return next(
        family for family in families().values() if any(fnmatchcase(lowered, glob) for glob in family.match)
    )
