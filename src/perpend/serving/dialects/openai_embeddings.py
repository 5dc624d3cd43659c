"""The bodies of `POST /v1/embeddings` (OpenAI's API reference, "Create embeddings"): their types, reader and writer."""

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
from perpend.serving.fields import Ignored
from perpend.types import EmbeddingRequest, EmbeddingResult

_MAX_TEXTS = 2048
"""Texts in one request: OpenAI's limit."""


class EmbeddingsRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    input: str | list[Any]
    """A text, several texts, or their token ids."""
    model: Annotated[Text256, Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] | None = None
    """`base64` encodes little-endian 32-bit floats."""
    dimensions: Positive | None = None
    user: str | None = None
    """Who asks, in the client's own words: its use is accounted, and may be limited."""


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
    """Indexes of the texts that a packaged model cut to its context; providers don't report theirs."""


class EmbeddingList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[EmbeddingRow]
    model: str
    usage: EmbeddingUsage
    perpend: EmbeddingReport


class EmbeddingsParsed(Struct, frozen=True):
    """A parsed body of `POST /v1/embeddings`."""

    request: EmbeddingRequest
    base64: bool
    ignored: tuple[str, ...]


_decoder = msgspec.json.Decoder(EmbeddingsRequest)
_Input = str | list[str] | list[int] | list[list[int]]


def parse(body: bytes, config: Config) -> EmbeddingsParsed:
    """The body as a request. Raises BadRequest naming the field that is wrong."""
    ignored = Ignored(strict=config.serve.strict_fields)
    fields = decode(_decoder, body, ignored)
    ignored.check_fields(fields)
    request = EmbeddingRequest(
        model=fields.model, input=_input(fields.input), dimensions=fields.dimensions, user=fields.user or None
    )
    return EmbeddingsParsed(request, fields.encoding_format == "base64", ignored.names)


def _input(texts: str | list[Any]) -> _Input:
    """The request's `input`, in one of its types. Raises BadRequest."""
    if (
        isinstance(texts, list)
        and not 0 < len(texts) <= _MAX_TEXTS
        and not all(isinstance(n, int) for n in texts)
    ):
        raise BadRequest("too many texts at once", hint=f"send 1 to {_MAX_TEXTS} texts", field="input")
    for kind in (str, list[str], list[int], list[list[int]]):
        try:
            value: Any = msgspec.convert(texts, kind)
        except msgspec.ValidationError:
            continue
        if value:
            return value
    hint = "send a text, a list of texts, or lists of token ids; none may be empty"
    raise BadRequest("there is nothing to embed", hint=hint, field="input")


def body_of(result: EmbeddingResult, parsed: EmbeddingsParsed) -> bytes:
    """The JSON body of an answer. Token counts and dollars are the result's."""
    tokens = result.usage.input
    body = EmbeddingList(
        data=[
            EmbeddingRow(index=index, embedding=_base64(vector) if parsed.base64 else vector)
            for index, vector in enumerate(result.vectors)
        ],
        model=parsed.request.model,
        usage=EmbeddingUsage(tokens, tokens),
        perpend=EmbeddingReport(
            result.request_id, result.model_version, result.cost_usd, parsed.ignored, result.truncated
        ),
    )
    return encode(body)


def _base64(vector: list[float]) -> str:
    floats = array.array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
