"""What the header of a GGUF file says about its model: enough to size a server for it.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from perpend.errors import EngineError

Value = int | float | bool | str | list["Value"]

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_F16_BYTES = 2
_LONGEST = 1 << 20
"""No key, name or list that is read here is longer; a longer one means a damaged file."""


class ModelFacts(Struct, frozen=True):
    architecture: str
    weights: int
    """Bytes of the file."""
    layers: int
    context: int
    """Tokens that the model was trained for."""
    kv_bytes_per_token: int
    """What one token of context takes in an f16 KV cache."""


def read_facts(path: Path) -> ModelFacts:
    """Raises EngineError where the file isn't a GGUF model."""
    try:
        with path.open("rb") as file:
            return _facts(_header(file), path.stat().st_size)
    except OSError as error:
        raise EngineError(
            f"{path} can't be read: {error.strerror}", hint="name a .gguf file that is there"
        ) from error
    except (struct.error, KeyError, ValueError, TypeError) as error:
        raise EngineError(
            f"{path} is not a GGUF model that can be read: {error}",
            hint="fetch it again, or name another .gguf file",
        ) from error


def _header(file: BinaryIO) -> dict[str, Value]:
    magic, version, _tensors, pair_count = struct.unpack("<4sIQQ", file.read(24))
    if magic != b"GGUF":
        raise ValueError("it doesn't begin with GGUF")
    if version < 2:
        raise ValueError(f"version {version} of the format is too old")
    header: dict[str, Value] = {}
    for _ in range(pair_count):
        key = _string(file)
        if key.startswith("tokenizer."):  # the vocabulary follows: long, and of no use here
            break
        (kind,) = struct.unpack("<I", file.read(4))
        header[key] = _value(file, kind)
    return header


def _value(file: BinaryIO, kind: int) -> Value:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        if count > _LONGEST:
            raise ValueError("a list in its header is too long")
        return [_value(file, inner) for _ in range(count)]
    if kind not in _SCALARS:
        raise ValueError(f"unknown type {kind} in its header")
    struct_format = "<" + _SCALARS[kind]
    return struct.unpack(struct_format, file.read(struct.calcsize(struct_format)))[0]


def _string(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LONGEST:
        raise ValueError("a string in its header is too long")
    return file.read(length).decode()


def _facts(header: dict[str, Value], weights: int) -> ModelFacts:
    architecture = header["general.architecture"]

    def number(key: str) -> int:
        value = header[f"{architecture}.{key}"]
        # some models list a value per layer; the largest is the safe one
        return max(int(str(item)) for item in value) if isinstance(value, list) else int(str(value))

    def number_or(key: str, default: int) -> int:
        return number(key) if f"{architecture}.{key}" in header else default

    layers, heads = number("block_count"), number("attention.head_count")
    head = number("embedding_length") // max(1, heads)  # a recurrent model has no heads, and some state
    length = number_or("attention.key_length", head) + number_or("attention.value_length", head)
    kv_heads = max(1, number_or("attention.head_count_kv", heads))
    return ModelFacts(
        architecture=str(architecture),
        weights=weights,
        layers=layers,
        context=number("context_length"),
        kv_bytes_per_token=layers * kv_heads * length * _F16_BYTES,
    )
