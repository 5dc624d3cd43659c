"""A process that makes embeddings: its model's row is its argument, texts come on stdin, results go to stdout."""

import hashlib
import logging
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

SIZE_BYTES = 4
"""Before each message: its size, the most significant byte first."""


class PackagedModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `embedders.toml`, which says what its fields are."""

    name: str
    package: str
    weights: str
    sha256: str
    dimensions: int

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None


class EmbeddingBatch(Struct, omit_defaults=True):
    """The result of embedding some texts."""

    vectors: list[list[float]] = []
    tokens: int = 0
    """Tokens that the model read, with its begin and end marks."""
    truncated: list[int] = []
    """Indices of texts that were longer than the model reads."""
    error: str = ""
    """The failure; "" where there is none."""


def main() -> None:
    logging.disable(logging.CRITICAL)
    os.environ["HF_HUB_OFFLINE"] = "1"
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with results

    def send(batch: EmbeddingBatch) -> None:
        body = msgspec.msgpack.encode(batch)
        out.write(len(body).to_bytes(SIZE_BYTES, "big") + body)
        out.flush()

    try:
        model = _load(msgspec.json.decode(sys.argv[1], type=PackagedModel))
    except Exception as error:  # a package may fail in any way
        send(EmbeddingBatch(error=f"{type(error).__name__}: {error}"[:300]))
        return
    send(EmbeddingBatch())
    while size := sys.stdin.buffer.read(SIZE_BYTES):
        texts = msgspec.msgpack.decode(sys.stdin.buffer.read(int.from_bytes(size, "big")), type=list[str])
        try:
            batch = _embed(model, texts)
        except Exception as error:
            batch = EmbeddingBatch(error=f"{type(error).__name__}: {error}"[:300])
        send(batch)


def _load(row: PackagedModel) -> Any:
    """Loads the model, on the CPU: a GPU is for the language models. Raises ValueError for other weights."""
    package: Any = import_module(row.package)
    with (Path(package.__file__).parent / row.weights).open("rb") as weights:
        if hashlib.file_digest(weights, "sha256").hexdigest() != row.sha256:
            raise ValueError(f"the weights in {row.package} aren't those of {row.name}")
    return package.load_model(device="cpu")


def _embed(model: Any, texts: list[str]) -> EmbeddingBatch:
    lengths = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    max_tokens: int = model.max_seq_length
    return EmbeddingBatch(
        vectors=model.encode(texts, show_progress_bar=False).tolist(),
        tokens=sum(min(length, max_tokens) for length in lengths),
        truncated=[at for at, length in enumerate(lengths) if length > max_tokens],
    )


if __name__ == "__main__":
    main()
