"""What models are sent, as a table that people can read: tests/fixtures/sent/bodies.txt.

Each entry names the vendor's documentation that it was checked against, and what of it is assumed. After a change that
is meant, `python tests/runtime/test_sent.py` writes the lines anew; their difference is what a review reads.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from unsent_client import Listening

from perpend.config.schema import Config, ModelConfig
from perpend.errors import Rejected
from perpend.providers.provider import providers
from perpend.runtime.models import Models
from perpend.solve import Origin, Services, solve
from perpend.types import Effort, Limits, Message, Request
from perpend.verifiers import make_verifier

TABLE = Path(__file__).parents[1] / "fixtures" / "sent" / "bodies.txt"
_ASKED: dict[str, tuple[Effort | None, int | None]] = {
    "no effort": (None, None),
    "none": ("none", None),
    "low": ("low", None),
    "high": ("high", None),
    "max": ("max", None),
    "2,048 tokens": (None, 2048),
    "100,000 tokens": (None, 100_000),
}
_SAID = ("model", "messages", "input", "contents", "stream", "store", "stream_options.include_usage")
"""What is the same everywhere, or said elsewhere."""
_ADDRESS = {
    "GOOGLE_CLOUD_PROJECT": "p",
    "AWS_REGION": "us-east-1",
    "AZURE_OPENAI_ENDPOINT": "https://a.example",
}


class Entry(NamedTuple):
    model: str
    docs: str
    assumed: str
    lines: dict[str, str]


def entries() -> Iterator[Entry]:
    for block in TABLE.read_text(encoding="utf-8").split("\n## ")[1:]:
        model, docs, assumed, *lines = block.strip().splitlines()
        told = dict(re.split(r" {2,}", line, maxsplit=1) for line in lines)
        yield Entry(model, docs.removeprefix("docs: "), assumed.removeprefix("assumed: "), told)


ENTRIES = {entry.model: entry for entry in entries()}


class Unbooked:
    def check(self) -> None: ...

    async def write(self, row: Any) -> None: ...
    def write_now(self, rows: Any) -> None: ...


async def sent(model: str) -> dict[str, str]:
    """A line for each way to ask: the fields of the body, less the conversation."""
    http, nobody = Listening(), Any
    config = Config(
        models={"it": ModelConfig(provider=model.partition("/")[0], name=model.partition("/")[2])}
    )
    models = Models(config, Path("/nowhere"), http, nobody)  # pyright: ignore[reportArgumentType] - no engine runs
    services = Services(models.resolve, Unbooked(), "medium", lambda beside: beside, make_verifier, 128)
    lines: dict[str, str] = {}
    for name, (effort, tokens) in _ASKED.items():
        asked = Request(
            messages=(Message("user", "Hi"),),
            model="it",
            effort=effort,
            limits=Limits(max_thinking_tokens=tokens),
        )
        with pytest.raises(Rejected):
            await solve(asked, services, origin=Origin("test"))
        lines[name] = " ".join(sorted(_flat(http.body))) or "nothing"
    await http.aclose()
    return lines


def _flat(body: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")  # pyright: ignore[reportUnknownArgumentType] - JSON
        elif f"{path}{name}" not in _SAID and name != "messages":
            yield f"{path}{name}={json.dumps(value, separators=(',', ':'))}"


@pytest.fixture(autouse=True)
def _at_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _variables().items():
        monkeypatch.setenv(name, value)


def _variables() -> dict[str, str]:
    return {row.key_env: "secret" for row in providers().values() if row.key_env} | _ADDRESS


@pytest.mark.parametrize("model", ENTRIES)
async def test_a_model_is_sent_what_the_table_says(model: str) -> None:
    assert await sent(model) == ENTRIES[model].lines


def test_every_entry_names_what_it_was_checked_against() -> None:
    assert len(ENTRIES) >= 30
    for entry in ENTRIES.values():
        assert entry.docs.startswith("https://"), entry.model
        assert entry.assumed, entry.model
        assert [*entry.lines] == [*_ASKED], entry.model


async def test_no_model_is_sent_more_than_it_writes() -> None:
    """Whatever the field's name: what the table says is never more than what the rows say."""
    limits = {"openai/gpt-4o": 16_384, "openai/o1-preview": 32_768, "deepseek/deepseek-chat": 8192}
    limits |= {"anthropic/claude-opus-4-1": 32_000}
    for model, most in limits.items():
        for line in ENTRIES[model].lines.values():
            found = re.search(r"max_(?:output_|completion_)?tokens=(\d+)", line)
            assert found, model
            assert int(found[1]) <= most, model


def _write() -> None:
    import os

    os.environ |= _variables()
    head = TABLE.read_text(encoding="utf-8").split("\n## ", 1)[0]
    blocks = [head]
    for entry in entries():
        lines = [f"{name:16}{line}" for name, line in asyncio.run(sent(entry.model)).items()]
        blocks.append(
            "\n".join((entry.model, f"docs: {entry.docs}", f"assumed: {entry.assumed}", *lines)) + "\n"
        )
    TABLE.write_text("\n## ".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(_write())
