"""Documents become text before anything else is done with a request: every model reads that."""

import asyncio
import base64
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from perpend.errors import BadRequest, DeadlineTooShort
from perpend.types import Document, Message, Part, Request, Text, ToolResult

ReadPDF = Callable[[bytes], Awaitable[str]]
"""The text of a PDF; raises BadRequest."""


async def unread(pdf: bytes) -> str:
    raise BadRequest("PDFs aren't read here", hint="send the text", field="messages")


async def readable(request: Request, read: ReadPDF, deadline: float | None = None) -> Request:
    """The request with the text of each document in its place. Raises BadRequest, DeadlineTooShort."""
    if not any(_has_document(message) for message in request.messages):
        return request
    try:
        async with asyncio.timeout_at(deadline):
            messages = [await _read(message, read) for message in request.messages]
    except TimeoutError:
        raise DeadlineTooShort("its documents weren't read in time", hint="raise deadline_ms") from None
    return replace(request, messages=tuple(messages))


def _has_document(message: Message) -> bool:
    if isinstance(message.content, str):
        return False
    return any(
        isinstance(part, Document)
        or (isinstance(part, ToolResult) and any(isinstance(piece, Document) for piece in part.content))
        for part in message.content
    )


async def _read(message: Message, read: ReadPDF) -> Message:
    if not _has_document(message):
        return message
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult) and not isinstance(part.content, str):
            pieces = [
                await _text(piece, read) if isinstance(piece, Document) else piece for piece in part.content
            ]
            parts.append(replace(part, content=tuple(pieces)))
        else:
            parts.append(await _text(part, read) if isinstance(part, Document) else part)
    return Message(message.role, tuple(parts))


async def _text(document: Document, read: ReadPDF) -> Text:
    try:
        pdf = base64.b64decode(document.data, validate=False)
    except ValueError:
        raise BadRequest("a document isn't base64", hint="encode its bytes", field="messages") from None
    return Text(told(document.name, await read(pdf)))


def told(name: str, text: str) -> str:
    """A document's text as a model is told it."""
    named = f' name="{name}"' if name else ""
    return f"<document{named}>\n{text}\n</document>\n"
