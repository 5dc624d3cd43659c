"""Documents that a client sends inside of its messages: text as it is, PDFs to be read before anything is asked."""

import base64

from perpend.errors import BadRequest
from perpend.serving.dialects.openai_chat_schema import FilePart
from perpend.serving.dialects.openai_responses_schema import InputContent
from perpend.serving.fields import missing, not_supported
from perpend.solve.documents import told
from perpend.types import Document, Text

_PDF = "application/pdf"
_INSIDE = f"data:{_PDF};base64,…"
_TEXTS = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml")
"""Beside all that begin with `text/`."""


def document(media_type: str, data: str, name: str, field: str) -> Text | Document:
    """`data` is base64. Raises BadRequest naming `field`."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind == _PDF:
        return Document(data, name)
    if kind.startswith("text/") or kind in _TEXTS:
        try:
            text = base64.b64decode(data).decode("utf-8", errors="replace")
        except ValueError:
            raise BadRequest("a document isn't base64", hint="encode its bytes", field=field) from None
        return Text(told(name, text))
    raise not_supported(field, f"a document of type {kind[:80]!r}", "text and application/pdf are")


def sent_inside(file: FilePart | InputContent | None, path: str) -> Text | Document:
    """The document of the part at `path`. Raises BadRequest where it is named alone."""
    field = f"{path}.file_data"
    if file is None or file.file_data is None:
        if file is not None and file.file_id:
            raise not_supported(f"{path}.file_id", "a file that was uploaded", f"send it inside: {_INSIDE}")
        raise missing(field, f"a document is sent inside, as a data URL: {_INSIDE}")
    return from_url(file.file_data, file.filename or "", field)


def from_url(url: str, name: str, field: str) -> Text | Document:
    """Of a data URL. Raises BadRequest for an address: nothing is loaded here."""
    head, comma, data = url.partition(";base64,")
    if not comma or not head.startswith("data:"):
        raise not_supported(field, "a document at an address", f"send it inside: {_INSIDE}")
    return document(head.removeprefix("data:"), data, name, field)
