"""OpenAI's embeddings: the bodies of `POST /v1/embeddings`, as types and from our values."""

import array
import base64
import sys
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.decode import decode
from perpend.serving.dialects.extension_fields import Positive, Text256
from perpend.serving.dialects.report import encode
from perpend.serving.fields import Ignored, PassedOver
from perpend.types import EmbeddingRequest, EmbeddingResult

_MOST = 2048
"""Texts at once, as OpenAI has it."""


class EmbeddingsRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    input: str | list[Any]
    """A text or several, or the numbers of their tokens."""
    model: Annotated[Text256, Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] | None = None
    """`base64`: of 32-bit floats, the least significant byte first."""
    dimensions: Positive | None = None
    user: PassedOver = None


class EmbeddingRow(Struct, frozen=True, kw_only=True):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingReport(Struct, frozen=True):
    """What the answer says beside OpenAI's fields."""

    request_id: str
    model_version: str
    cost_usd: Any
    """US dollars."""
    ignored: tuple[str, ...]
    truncated: tuple[int, ...]
    """Indexes of texts of which a packaged model read the beginning only; providers don't tell."""


class EmbeddingList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[EmbeddingRow]
    model: str
    usage: EmbeddingUsage
    perpend: EmbeddingReport


class EmbeddingsParsed(Struct, frozen=True):
    request: EmbeddingRequest
    base64: bool
    ignored: tuple[str, ...]


_decoder = msgspec.json.Decoder(EmbeddingsRequest)
_Given = str | list[str] | list[int] | list[list[int]]


def parse(body: bytes, config: Config) -> EmbeddingsParsed:
    """Raises BadRequest naming the field."""
    ignored = Ignored(strict=config.serve.strict_fields)
    asked = decode(_decoder, body, ignored)
    ignored.settle(asked)
    request = EmbeddingRequest(model=asked.model, input=_input(asked.input), dimensions=asked.dimensions)
    return EmbeddingsParsed(request, asked.encoding_format == "base64", ignored.names)


def _input(given: str | list[Any]) -> _Given:
    if isinstance(given, list) and not 0 < len(given) <= _MOST and not all(isinstance(n, int) for n in given):
        raise BadRequest("too many texts at once", hint=f"1 to {_MOST}", field="input")
    for kind in (str, list[str], list[int], list[list[int]]):
        try:
            value: Any = msgspec.convert(given, kind)
        except msgspec.ValidationError:
            continue
        if value:
            return value
    hint = "send a text, a list of texts, or of lists of token numbers; none may be empty"
    raise BadRequest("there is nothing to embed", hint=hint, field="input")


def body_of(made: EmbeddingResult, parsed: EmbeddingsParsed) -> bytes:
    tokens = made.usage.input
    body = EmbeddingList(
        data=[
            EmbeddingRow(index=index, embedding=_base64(vector) if parsed.base64 else vector)
            for index, vector in enumerate(made.vectors)
        ],
        model=parsed.request.model,
        usage=EmbeddingUsage(tokens, tokens),
        perpend=EmbeddingReport(
            made.request_id, made.model_version, made.cost_usd, parsed.ignored, made.truncated
        ),
    )
    return encode(body)


def _base64(vector: list[float]) -> str:
    floats = array.array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
