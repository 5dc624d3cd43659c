"""A process that makes embeddings: its model's row comes as its argument, texts on stdin, `Made` goes out on stdout."""

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


class Made(Struct, omit_defaults=True):
    """What became of some texts."""

    vectors: list[list[float]] = []
    tokens: int = 0
    """That the model read, its marks of beginning and end among them."""
    truncated: list[int] = []
    """Which of the texts are longer than it reads."""
    wrong: str = ""
    """Why there is nothing."""


def main() -> None:
    logging.disable(logging.CRITICAL)
    os.environ["HF_HUB_OFFLINE"] = "1"
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer

    def say(made: Made) -> None:
        body = msgspec.msgpack.encode(made)
        out.write(len(body).to_bytes(SIZE_BYTES, "big") + body)
        out.flush()

    try:
        model = _loaded(msgspec.json.decode(sys.argv[1], type=PackagedModel))
    except Exception as error:  # whatever a package makes of its own absence
        say(Made(wrong=f"{type(error).__name__}: {error}"[:300]))
        return
    say(Made())
    while size := sys.stdin.buffer.read(SIZE_BYTES):
        texts = msgspec.msgpack.decode(sys.stdin.buffer.read(int.from_bytes(size, "big")), type=list[str])
        try:
            made = _made(model, texts)
        except Exception as error:
            made = Made(wrong=f"{type(error).__name__}: {error}"[:300])
        say(made)


def _loaded(row: PackagedModel) -> Any:
    """On the CPU: a GPU is for the models that think."""
    package: Any = import_module(row.package)
    with (Path(package.__file__).parent / row.weights).open("rb") as weights:
        if hashlib.file_digest(weights, "sha256").hexdigest() != row.sha256:
            raise ValueError(f"the weights in {row.package} aren't those of {row.name}")
    return package.load_model(device="cpu")


def _made(model: Any, texts: list[str]) -> Made:
    lengths = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    most: int = model.max_seq_length
    return Made(
        vectors=model.encode(texts, show_progress_bar=False).tolist(),
        tokens=sum(min(length, most) for length in lengths),
        truncated=[at for at, length in enumerate(lengths) if length > most],
    )


if __name__ == "__main__":
    main()
