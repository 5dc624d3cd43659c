"""Extracts a PDF's text in a process of its own, which bounds the time and memory of a hostile one."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

import msgspec

from perpend.documents.pdf_worker import ExtractedText
from perpend.errors import BadRequest
from perpend.extras import install

_MAX_PROCESSES = 2
_FIELD = "messages"


class PDFReader:
    """Extracts text, from two PDFs at a time; more wait."""

    def __init__(self, *, timeout_s: float = 20.0) -> None:
        """`timeout_s`: seconds for each document."""
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(_MAX_PROCESSES)

    async def text(self, pdf: bytes) -> str:
        """The document's text. Raises BadRequest, saying why, where there is none."""
        async with self._slots:
            output = await self._read(pdf)
        found = (
            msgspec.json.decode(output, type=ExtractedText)
            if output
            else ExtractedText(error="it took too much memory")
        )
        if found.no_library:
            hint = f"send the text; who runs this gateway gets the extra `documents` by {install('perpend[documents]')}"
            raise BadRequest("PDFs aren't read here", hint=hint, field=_FIELD)
        if found.error:
            raise BadRequest(
                f"a PDF can't be read: {found.error}", hint="send its text, or pictures of it", field=_FIELD
            )
        if not found.text.strip():
            hint = "it may be a scan: send its pages as images"
            raise BadRequest("a PDF has no text in it", hint=hint, field=_FIELD)
        return found.text

    async def _read(self, pdf: bytes) -> bytes:
        command = (sys.executable, "-m", "perpend.documents.pdf_worker")
        reader = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        try:
            async with asyncio.timeout(self._timeout_s):
                output, _ = await reader.communicate(pdf)
        except TimeoutError:
            return msgspec.json.encode(ExtractedText(error=f"it takes more than {self._timeout_s:g} s"))
        finally:
            if reader.returncode is None:
                reader.kill()
            await asyncio.shield(reader.wait())
        return output
