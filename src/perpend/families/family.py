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
"""Where a stream can overrun (all but the first two), it is watched, and cut at the budget."""
Shows = Literal["raw", "summary", "nothing"]
ToolStyle = Literal["hermes", "chosen", "none"]
Echo = Literal["never", "optional", "tools", "always"]


class Family(Struct, frozen=True, eq=False, kw_only=True, forbid_unknown_fields=True):
    """A row. `like = "ROW"` in the file takes what a row doesn't say, its globs apart, from another one."""

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
    """What sources disagree on, or leave open."""

    think: ThinkRules | None = None
    """How thinking is marked in text, where a server doesn't split it off; None: it never comes so."""
    shows: Shows = "raw"
    """What of its thinking a server shows."""
    can_disable: bool = True
    """It can be made not to think."""
    reasons: Literal["yes", "perhaps", "no"] = "yes"
    """Whether a server's model of this family is one that reasons. `perhaps`: it's asked to where somebody names an
    effort; `no`: never, whatever Perpend's own prompts make of it."""
    max_output: dict[str, int] = field(default_factory=dict[str, int])
    """Tokens that it writes at most, thinking and answer together, by globs over its names: the longest one holds."""
    budget_min: int = 0
    """The smallest token budget that is taken, other than none at all."""
    budget_max: int = 0
    """The largest; 0: the vendor names none, or takes no budget."""
    echo: Echo = "optional"
    """Whether thoughts go back on the next turn; `tools`: while a tool call is pending."""
    echo_as: str = ""
    """In which form; "" : as text."""
    rejects: tuple[str, ...] = ()
    """What is refused while it thinks: request parameters, the roles `system` and `developer`, `tools`."""
    summarises: bool = True
    """It can write a line about somebody's thinking."""

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
    """Makes a model think that doesn't by itself."""
    system_off: str = ""
    """Makes it not think, where a system prompt decides."""
    switch: str = ""
    """The chat template's argument that says whether to think; some APIs take it as a field."""
    soft_switch: tuple[str, ...] = ()
    """Words in a user's message that switch thinking on and off."""
    temperature: float | None = None
    tools: ToolStyle = "hermes"
    """How tools and formats are told in a raw prompt (`tool_markup`). `chosen`: whether to call one is asked
    first (`backends/tool_choice`), and calls are read without tags too; `none`: it wouldn't understand."""

    # Chat wires: the names of the server's own knobs, and what it refuses.
    budget_field: str | None = None
    effort_field: str | None = None
    max_tokens_field: str = "max_tokens"
    efforts: tuple[Effort, ...] = ()
    """The effort words that the server takes; others are sent as the nearest below, or the lowest."""
    effort_words: dict[Effort, str] = field(default_factory=dict[Effort, str])
    """What the server calls an effort, where it has another word for it."""

    @property
    def sampling_fixed(self) -> bool:
        """The server refuses temperature and top_p."""
        return "temperature" in self.rejects

    @property
    def system_role(self) -> Literal["system", "developer", "user"]:
        """In whose name a system message is sent."""
        if "system" not in self.rejects:
            return "system"
        return "user" if "developer" in self.rejects else "developer"

    @property
    def most_thinking(self) -> int | None:
        """The largest budget that means anything to it; None: none is known."""
        return self.budget_max or None if any(self.effort.values()) else 0

    def effort_word(self, effort: Effort) -> str | None:
        """What to send for an effort: its word, the nearest one below, or the lowest. None: it takes none."""
        accepted = (*self.efforts, *self.effort_words)
        if not accepted:
            return None
        word = nearest_effort(effort, accepted)
        return self.effort_words.get(word, word)

    def within(self, tokens: int) -> int:
        """The nearest token budget that the server takes; 0 stays 0 where thinking can be disabled."""
        if not tokens and self.can_disable:
            return 0
        tokens = max(tokens, self.budget_min)
        return min(tokens, self.budget_max) if self.budget_max else tokens


@cache
def nearest_effort(effort: Effort, accepted: tuple[Effort, ...]) -> Effort:
    """The highest accepted effort that isn't above the asked one, else the lowest accepted."""
    ranked: list[Effort] = [word for word in EFFORTS if word in accepted]
    below: list[Effort] = [word for word in ranked if EFFORTS.index(word) <= EFFORTS.index(effort)]
    return below[-1] if below else ranked[0]


@cache
def families() -> dict[str, Family]:
    raw: dict[str, dict[str, Any]] = {}
    folder = files("perpend.families").joinpath("rows")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        raw |= tomllib.loads(file.read_text(encoding="utf-8"))
    return {name: msgspec.convert({"name": name, **_whole(row, raw)}, Family) for name, row in raw.items()}


def longest_glob(name: str, globs: Iterable[str]) -> str | None:
    """The glob that says most of a model's name: in lower case, with or without what stands before its last slash."""
    lowered = name.lower()
    last = lowered.rpartition("/")[2]
    names = (
        lowered,
        last,
        *(before.sub("", last) for before in (_BEDROCK, _TUNED)),
        _FIREWORKS.sub(".", last),
    )
    fitting = [glob for glob in globs if any(fnmatchcase(name, glob) for name in names)]
    return max(fitting, key=_says, default=None)


def output_limit(model: str, *tables: Mapping[str, int]) -> int | None:
    """Of `max_output` tables, what the first one says that names the model; None: nobody knows."""
    found = [(table, glob) for table in tables if (glob := longest_glob(model, table)) is not None]
    return found[0][0][found[0][1]] if found else None


def _says(glob: str) -> int:
    return len(glob.replace("*", "").replace("?", ""))


def _whole(row: dict[str, Any], rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    like = row.get("like")
    if like is None:
        return row
    return _whole(rows[like], rows) | {"note": ""} | {key: row[key] for key in row if key != "like"}


def family_named(name: str) -> Family:
    """Raises ConfigError naming the nearest family."""
    try:
        return families()[name]
    except KeyError:
        close = nearest(name, list(families()))
        meant = f"did you mean {close!r}? " if close else ""
        hint = f"{meant}`perpend models show MODEL` tells the family of a model"
        raise ConfigError(f"unknown model family {name!r}", hint=hint) from None


_BEDROCK = re.compile(r"^(?:[a-z]+\.)+")
"""What stands before a model's name there: its region, its maker."""
_TUNED = re.compile(r"^ft:")
"""What OpenAI writes before the name of a model that somebody tuned."""
_FIREWORKS = re.compile(r"(?<=\d)p(?=\d)")
"""There a version's point is a p: glm-4p6."""


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """The row whose glob says most of a model's name; `generic` matches all."""
    return _by_glob()[longest_glob(model, _by_glob()) or "*"]


@cache
def _by_glob() -> dict[str, Family]:
    rows: dict[str, Family] = {}
    for family in families().values():
        for glob in family.match:
            rows.setdefault(glob, family)
    return rows
