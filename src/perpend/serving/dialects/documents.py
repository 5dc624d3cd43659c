"""Documents in messages: text becomes a text part, a PDF is read before the request is solved."""

import base64

from perpend.errors import BadRequest
from perpend.serving.dialects.openai_chat_schema import FilePart
from perpend.serving.dialects.openai_responses_schema import InputContent
from perpend.serving.fields import missing, not_supported
from perpend.solve.documents import told
from perpend.types import Document, Text

_PDF = "application/pdf"
_DATA_URL = f"data:{_PDF};base64,…"
_TEXTS = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml")
"""Media types of text, beside `text/…`."""


def document(media_type: str, data: str, name: str, field: str) -> Text | Document:
    """The part for a document; `data` is base64. Raises BadRequest naming `field`."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind == _PDF:
        return Document(data, name)
    if kind.startswith("text/") or kind in _TEXTS:
        try:
            text = base64.b64decode(data).decode("utf-8", errors="replace")
        except ValueError:
            raise BadRequest("a document isn't base64", hint="encode its bytes", field=field) from None
        return Text(told(name, text))
    raise not_supported(field, f"a document of type {kind[:80]!r}", "send text or application/pdf")


def inline_document(file: FilePart | InputContent | None, path: str) -> Text | Document:
    """The document of the part at `path`. Raises BadRequest where the part has a file's id and no data."""
    field = f"{path}.file_data"
    if file is None or file.file_data is None:
        if file is not None and file.file_id:
            raise not_supported(
                f"{path}.file_id", "a file that was uploaded", f"send the file itself: {_DATA_URL}"
            )
        raise missing(field, f"send the document as a data URL: {_DATA_URL}")
    return data_url_document(file.file_data, file.filename or "", field)


def data_url_document(url: str, name: str, field: str) -> Text | Document:
    """The document in a data URL. Raises BadRequest for an address, since Perpend loads none."""
    head, comma, data = url.partition(";base64,")
    if not comma or not head.startswith("data:"):
        raise not_supported(field, "a document at an address", f"send the file itself: {_DATA_URL}")
    return document(head.removeprefix("data:"), data, name, field)
