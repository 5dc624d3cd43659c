"""How model families think, as rows of `rows/*.toml`: tags, prompts, effort to tokens, budget semantics."""

import datetime
import re
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from perpend.errors import ConfigError
from perpend.families.think_tags import ThinkRules
from perpend.registry import nearest
from perpend.types import EFFORTS, Effort

BudgetSemantics = Literal[
    "exact",  # thinking is continued from a prefix and stops at the very token (on a raw-completion wire)
    "native_hard",  # the server enforces a token budget that it is sent
    "native_soft",  # the server takes a token budget as a wish
    "effort_only",  # the server takes an effort word
    "none",  # nothing to set
]
"""Where a stream can overrun its budget (all but the first two), we count it, and cut it there."""
Shows = Literal["raw", "summary", "nothing"]
ToolStyle = Literal["hermes", "chosen", "none"]
Echo = Literal["never", "optional", "tools", "always"]


class Family(Struct, frozen=True, eq=False, kw_only=True, forbid_unknown_fields=True):
    """A row. With `like = "ROW"` it takes all fields that it lacks, but for the globs, from another row."""

    name: str
    match: tuple[str, ...]
    """Globs over lower-case model names, with or without what stands before their last slash."""
    budget: BudgetSemantics
    effort: dict[Effort, int]
    """Thinking tokens for each effort word."""
    answer_tokens: int
    """Tokens kept free for the answer, and its default limit."""
    source: str
    date: datetime.date
    """When `source` was read."""
    note: str = ""
    """Where sources disagree, or leave something open."""

    think: ThinkRules | None = None
    """How thinking is marked in the text, where the server doesn't separate it; None: it is always separate."""
    shows: Shows = "raw"
    """What servers return of its thinking."""
    can_disable: bool = True
    """Whether thinking can be switched off."""
    reasons: Literal["yes", "perhaps", "no"] = "yes"
    """Whether a server's model of this family is a reasoning model. `perhaps`: it is asked to reason where a client
    names an effort; `no`: never, even if Perpend's prompts make an embedded one think."""
    max_output: dict[str, int] = field(default_factory=dict[str, int])
    """The most output tokens, thinking and answer together, by globs over model names: the longest that fits holds."""
    budget_min: int = 0
    """The smallest thinking budget, in tokens, that a server accepts, apart from 0."""
    budget_max: int = 0
    """The largest one; 0: the vendor names none, or accepts no budget."""
    echo: Echo = "optional"
    """Whether thoughts are sent back on the next turn; `tools`: while a tool call is pending."""
    echo_as: str = ""
    """In which form thoughts are sent back; "": as text."""
    rejects: tuple[str, ...] = ()
    """What servers refuse while it thinks: request parameters, the roles `system` and `developer`, `tools`."""
    summarises: bool = True
    """Whether it writes usable summaries of thinking."""

    # Raw completion: how the prompt is written and where thinking begins and ends.
    template: Literal["chatml", "server"] = "chatml"
    """`server`: the one inside the GGUF, applied by llama.cpp."""
    open: str = ""
    close: str = ""
    answer_prefix: str = ""
    wait: str = ""
    """Appended to a thought that ended early, to make it go on (Muennighoff et al., arXiv:2501.19393)."""
    skip: str = ""
    """Written in place of thinking where there is none."""
    system: str = ""
    """The system prompt that makes it think, where it doesn't by itself."""
    system_off: str = ""
    """The system prompt that keeps it from thinking."""
    switch: str = ""
    """The chat template's argument that switches thinking; some APIs accept it as a field."""
    soft_switch: tuple[str, ...] = ()
    """Words in a user's message that switch thinking on and off."""
    temperature: float | None = None
    tools: ToolStyle = "hermes"
    """How a raw prompt describes tools and formats (`tool_markup`). `chosen`: a first call decides whether to use a
    tool (`backends/tool_choice`), and calls are read without tags too; `none`: not at all."""

    # Chat wires: the names of the server's fields.
    budget_field: str | None = None
    effort_field: str | None = None
    max_tokens_field: str = "max_tokens"
    efforts: tuple[Effort, ...] = ()
    """The effort words that the server accepts; for others the nearest below is sent, or the lowest."""
    effort_words: dict[Effort, str] = field(default_factory=dict[Effort, str])
    """The server's own words for efforts, where they differ."""

    @property
    def sampling_fixed(self) -> bool:
        """Whether the server refuses temperature and top_p."""
        return "temperature" in self.rejects

    @property
    def system_role(self) -> Literal["system", "developer", "user"]:
        """The role under which a system message is sent."""
        if "system" not in self.rejects:
            return "system"
        return "user" if "developer" in self.rejects else "developer"

    @property
    def most_thinking(self) -> int | None:
        """The largest useful thinking budget, in tokens; None: not known."""
        return self.budget_max or None if any(self.effort.values()) else 0

    def effort_word(self, effort: Effort) -> str | None:
        """The server's word for an effort, the nearest below or the lowest; None: it accepts no efforts."""
        accepted = (*self.efforts, *self.effort_words)
        if not accepted:
            return None
        word = nearest_effort(effort, accepted)
        return self.effort_words.get(word, word)

    def clamp_budget(self, tokens: int) -> int:
        """The nearest thinking budget that the server accepts; 0 stays 0 where thinking can be disabled."""
        if not tokens and self.can_disable:
            return 0
        tokens = max(tokens, self.budget_min)
        return min(tokens, self.budget_max) if self.budget_max else tokens


@cache
def nearest_effort(effort: Effort, accepted: tuple[Effort, ...]) -> Effort:
    """The highest accepted effort that isn't above `effort`, else the lowest accepted."""
    ranked: list[Effort] = [word for word in EFFORTS if word in accepted]
    below: list[Effort] = [word for word in ranked if EFFORTS.index(word) <= EFFORTS.index(effort)]
    return below[-1] if below else ranked[0]


@cache
def families() -> dict[str, Family]:
    """All rows, by their names."""
    raw: dict[str, dict[str, Any]] = {}
    folder = files("perpend.families").joinpath("rows")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        raw |= tomllib.loads(file.read_text(encoding="utf-8"))
    return {
        name: msgspec.convert({"name": name, **_inherited(row, raw)}, Family) for name, row in raw.items()
    }


def longest_glob(name: str, globs: Iterable[str]) -> str | None:
    """The most specific glob that matches a model's name in lower case, with or without what its last slash ends."""
    lowered = name.lower()
    last = lowered.rpartition("/")[2]
    names = (
        lowered,
        last,
        *(before.sub("", last) for before in (_BEDROCK_PREFIX, _FINE_TUNED)),
        _FIREWORKS_POINT.sub(".", last),
    )
    fitting = [glob for glob in globs if any(fnmatchcase(name, glob) for name in names)]
    return max(fitting, key=_specificity, default=None)


def output_limit(model: str, *tables: Mapping[str, int]) -> int | None:
    """The most output tokens of a model, from the first of the `max_output` tables that has it; None: not known."""
    found = [(table, glob) for table in tables if (glob := longest_glob(model, table)) is not None]
    return found[0][0][found[0][1]] if found else None


def _specificity(glob: str) -> int:
    return len(glob.replace("*", "").replace("?", ""))


def _inherited(row: dict[str, Any], rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    like = row.get("like")
    if like is None:
        return row
    return _inherited(rows[like], rows) | {"note": ""} | {key: row[key] for key in row if key != "like"}


def family_named(name: str) -> Family:
    """The row of this name. Raises ConfigError naming the nearest one."""
    try:
        return families()[name]
    except KeyError:
        close = nearest(name, list(families()))
        meant = f"did you mean {close!r}? " if close else ""
        hint = f"{meant}`perpend models show MODEL` tells the family of a model"
        raise ConfigError(f"unknown model family {name!r}", hint=hint) from None


_BEDROCK_PREFIX = re.compile(r"^(?:[a-z]+\.)+")
"""Region and maker, which Bedrock puts before a model's name."""
_FINE_TUNED = re.compile(r"^ft:")
"""OpenAI's prefix of a fine-tuned model's name."""
_FIREWORKS_POINT = re.compile(r"(?<=\d)p(?=\d)")
"""Fireworks writes a version's point as p: glm-4p6."""


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """The row with the most specific glob for a model's name; `generic` matches all."""
    return _by_glob()[longest_glob(model, _by_glob()) or "*"]


@cache
def _by_glob() -> dict[str, Family]:
    rows: dict[str, Family] = {}
    for family in families().values():
        for glob in family.match:
            rows.setdefault(glob, family)
    return rows
