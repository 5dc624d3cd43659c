"""Numbers, names and defaults that the pages state are those of the data that they come from."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sandbox.hostile import HOSTILE

from perpend.accounting.price_list import price_of
from perpend.config import Config
from perpend.evals.suites import reasoning_gym as gym
from perpend.evals.suites.catalogue import catalogue
from perpend.providers.provider import providers
from perpend.strategies import strategies
from perpend.verifiers import verifiers

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs/guides"
NUMBERS = [
    ("README.md", r"(\S+) rows of vendors and engines", len(providers())),
    ("docs/guides/sandbox.md", r"a table of (\S+) programs", len(HOSTILE)),
    ("docs/guides/sandbox.md", r"(\S+) of them are also run by a plain", sum(row.control for row in HOSTILE)),
    ("docs/guides/evaluation.md", r"`gym` is (\S+)\s+of them in turn", len(gym.MIX)),
]
SPELT = {"sixteen": 16}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "said", "number"), NUMBERS)
def test_a_number_is_counted(name: str, said: str, number: int) -> None:
    (found,) = re.findall(said, page(name))
    assert SPELT.get(found, found) in (number, str(number))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("configuration", providers()),
        ("evaluation", catalogue()),
        ("strategies", strategies.names()),
        ("verifiers", verifiers.names()),
    ],
)
def test_all_that_is_known_is_named(name: str, known: Any) -> None:
    text = page(f"docs/guides/{name}.md")
    assert not [one for one in known if f"`{one}`" not in text]


def test_the_models_of_vendors_that_the_readme_names_are_priced() -> None:
    vendors = "|".join(providers())
    named = re.findall(rf"`(({vendors})/[^`]+)`", page("README.md"))
    assert len(named) > 2
    assert not [model for model, _ in named if price_of(model, datetime.now(UTC).date()) is None]


def test_a_default_that_an_example_names_is_the_schemas() -> None:
    config, sections = Config(), re.compile(r"^\[(\w+)\]|^(\w+) = .*# .*\bdefault (\S+)$", re.MULTILINE)
    section, checked = "", 0
    for table, key, default in sections.findall(page("docs/guides/configuration.md")):
        section = table or section
        if key:
            assert str(getattr(getattr(config, section), key)) == default, f"{section}.{key}"
            checked += 1
    assert checked
