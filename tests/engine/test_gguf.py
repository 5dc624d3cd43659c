"""Headers of GGUF files: what a real one says, and what is no model."""

import struct
from pathlib import Path

import pytest

from perpend.engine.gguf import read_facts
from perpend.errors import EngineError


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def pair(key: str, value: int | str | list[int]) -> bytes:
    if isinstance(value, str):
        return text(key) + struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return text(key) + struct.pack("<IIQ", 9, 4, len(value)) + struct.pack(f"<{len(value)}I", *value)
    return text(key) + struct.pack("<II", 4, value)


def header(*pairs: bytes, version: int = 3, count: int | None = None) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", version, 0, len(pairs) if count is None else count) + b"".join(
        pairs
    )


USUAL = (
    pair("general.architecture", "toy"),
    pair("toy.block_count", 4),
    pair("toy.context_length", 256),
    pair("toy.embedding_length", 64),
    pair("toy.attention.head_count", 8),
)


def test_a_real_file(tiny_path: Path) -> None:
    facts = read_facts(tiny_path)
    assert (facts.architecture, facts.layers, facts.context) == ("llama", 4, 512)
    assert facts.kv_bytes_per_token == 4 * 4 * (32 + 32) * 2


def test_what_isnt_said_is_the_usual(tmp_path: Path) -> None:
    file = tmp_path / "toy.gguf"
    file.write_bytes(header(*USUAL))
    facts = read_facts(file)
    assert (facts.layers, facts.context) == (4, 256)
    assert facts.kv_bytes_per_token == 4 * 8 * (8 + 8) * 2


def test_a_value_for_each_layer_counts_as_its_largest(tmp_path: Path) -> None:
    file = tmp_path / "toy.gguf"
    file.write_bytes(header(*USUAL, pair("toy.attention.head_count_kv", [1, 2, 2, 1])))
    assert read_facts(file).kv_bytes_per_token == 4 * 2 * (8 + 8) * 2


def test_the_vocabulary_isnt_read(tmp_path: Path) -> None:
    file = tmp_path / "toy.gguf"
    file.write_bytes(header(*USUAL, text("tokenizer.ggml.tokens") + b"whatever", count=9))
    assert read_facts(file).layers == 4


def test_a_recurrent_model_has_no_heads(tmp_path: Path) -> None:
    file = tmp_path / "toy.gguf"
    file.write_bytes(header(*USUAL[:4], pair("toy.attention.head_count", 0)))
    assert read_facts(file).kv_bytes_per_token > 0


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="can't be read"):
        read_facts(tmp_path / "none.gguf")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGU",
        b"not a model, but long enough to have a header of its own",
        header(*USUAL, version=1),
        header(*USUAL)[:-3],
        header(*USUAL[:2]),
        header(struct.pack("<Q", 1 << 40)),
        header(text("a.list") + struct.pack("<IIQ", 9, 4, 1 << 40)),
        header(text("odd") + struct.pack("<I", 99)),
    ],
)
def test_what_is_no_model_is_refused_with_a_reason(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(content)
    with pytest.raises(EngineError, match=r"bad\.gguf is not a GGUF model") as refused:
        read_facts(file)
    assert refused.value.hint
