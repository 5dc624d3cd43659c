"""Weights that come inside the package: the file is the catalogue's, nothing is fetched, nothing is removed."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from perpend.cli.models import commands as models
from perpend.engine.catalogue import BundledSource, Weights, catalogue
from perpend.engine.gguf import read_facts
from perpend.engine.pull import pull
from perpend.errors import WeightsError
from perpend.families.family import family_named

BUNDLED = [weights for weights in catalogue().values() if weights.bundled]


@pytest.mark.parametrize("weights", BUNDLED, ids=lambda weights: weights.name)
def test_the_file_is_the_catalogues(weights: Weights, tmp_path: Path) -> None:
    path = weights.path(tmp_path)
    assert weights.pulled(tmp_path)
    assert asyncio.run(pull(weights, tmp_path)) == path
    assert not list(tmp_path.iterdir()), "nothing is fetched or copied"
    content = path.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (weights.size, weights.sha256)
    assert len(content) < 10_000_000
    assert read_facts(path) == weights.facts
    assert family_named(weights.family).budget == "exact"


async def test_a_damaged_installation_is_told(tmp_path: Path) -> None:
    damaged = replace(BUNDLED[0], sources=(BundledSource(file=str(tmp_path / "tiny.gguf")),))
    with pytest.raises(WeightsError, match="isn't the file") as raised:
        await pull(damaged, tmp_path)
    assert "install Perpend again" in (raised.value.hint or "")


def test_rm_leaves_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    models.rm(BUNDLED[0].name)
    assert BUNDLED[0].pulled(tmp_path)
