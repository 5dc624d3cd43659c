"""A package with a small model that stands in for an embedding model's: for faults, and for what is around it."""

import hashlib
import sys
from pathlib import Path

import pytest

from perpend.engine.embedder import PackagedModel

CODE = """
import os, time
class Rows(list):
    def tolist(self): return list(self)
class Model:
    max_seq_length = 3
    def tokenizer(self, texts): return {"input_ids": [text.split() for text in texts]}
    def encode(self, texts, show_progress_bar):
        print("what libraries print")
        if "die" in texts: os._exit(1)
        if "hang" in texts: time.sleep(60)
        if "slow" in texts: time.sleep(0.2)
        if "raise" in texts: raise ValueError("no such text")
        return Rows([[float(len(text)), 0.5] for text in texts])
def load_model(device): return Model()
"""
"""Its vectors are a text's length and a half; it reads three words."""


def write(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str = "m",
    code: str = CODE,
    sha256: str | None = None,
) -> PackagedModel:
    """Installed for the test and the processes that it starts."""
    package = f"packaged_{folder.name.replace('-', '_')}"
    (folder / f"{package}.py").write_text(code)
    (folder / "weights").write_bytes(b"weights")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    sha256 = sha256 or hashlib.sha256(b"weights").hexdigest()
    return PackagedModel(name=name, package=package, weights="weights", sha256=sha256, dimensions=2)
