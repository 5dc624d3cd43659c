"""The guide to clients shows the configurations that `python -m benchmarks.clients` runs, and what came of each."""

import re
from pathlib import Path

from benchmarks.clients.cells import CELLS
from benchmarks.clients.rows import CLIENTS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/clients.md").read_text()
SHOWN = re.findall(r"^```\w+\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
FILES = {file.name: file.read_text() for file in (ROOT / "benchmarks/clients/configurations").iterdir()}
USED = {name for client in CLIENTS for name in client.configuration.values()}


def test_the_guide_shows_what_is_run() -> None:
    assert set(FILES) == USED
    assert sorted(FILES.values()) == sorted(SHOWN)


def test_each_client_has_a_row_in_the_table() -> None:
    table = re.findall(r"^\| (.+?) \| \d\S* \|", GUIDE, re.MULTILINE)
    assert table == [client.name for client in CLIENTS]


def test_what_a_client_lacks_is_argued() -> None:
    names = {cell.name for cell in CELLS}
    for client in CLIENTS:
        assert set(client.lacks) | set(client.more) | set(client.prompts) <= names
        assert all(f"- {client.name}, {cell}: — {why}" in GUIDE for cell, why in client.lacks.items())
