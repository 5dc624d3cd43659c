"""Options that go together and that several commands have: each is declared and described once.

A command takes a group as one parameter. Where an option means something narrower to it, its docstring says so under
`GROUP.OPTION`; where its default differs, it has a subclass.
"""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from perpend.cli.options import EFFORT, Count, Degree, Dollars, Thinking, Whole
from perpend.types import Effort


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model answers, what it's told first, and how it samples."""

    model: str | None = None
    """Default: the config's."""
    system: str | None = None
    """A system message."""
    temperature: Degree | None = None
    """0 for the likeliest words."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ThinkingOptions:
    """How a question is thought about."""

    effort: Annotated[Effort | None, EFFORT] = None
    """none, minimal, low, medium, high or max."""
    max_thinking_tokens: Thinking = None
    """Think at most this many tokens."""
    max_tokens: Count | None = None
    """Thinking and answer together."""
    strategy: str = "single"
    """A name, or a JSON object such as {"name": "self_consistency", "n": 8}."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """Which problems of a suite are asked."""

    limit: Count | None = None
    """So many problems, drawn by the seed."""
    seed: Whole = 0
    """Of the draw."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PaceOptions:
    """How fast a run goes, and what it may cost: nothing that decides its answers."""

    parallel: Count = 4
    """Ask so many at a time."""
    max_cost: Dollars = None
    """US dollars for the whole run: it stops before it would cost more."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class KeyDefaultOptions:
    """What holds for a key's requests that don't say otherwise."""

    model: str | None = None
    """Answers each of its requests, whatever model they name; as in `perpend ask`."""
    effort: Annotated[Effort | None, EFFORT] = None
    """Of requests that don't say how much to think: none, minimal, low, medium, high or max."""
    max_thinking_tokens: Thinking = None
    """Of requests that name no number: think at most this many tokens."""
    deadline: str | None = None
    """Of requests without one: 5s, 500ms, 2m."""
