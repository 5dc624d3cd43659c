"""The text of a PDF, taken out by a process of its own: a hostile one has so much time and memory, and no more."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

import msgspec

from perpend.documents.pdf_worker import ExtractedText
from perpend.errors import BadRequest
from perpend.extras import install

_AT_ONCE = 2
_FIELD = "messages"


class PDFReader:
    def __init__(self, *, timeout_s: float = 20.0) -> None:
        """`timeout_s`: for each document."""
        self._timeout_s = timeout_s
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def text(self, pdf: bytes) -> str:
        """Raises BadRequest where there is no text to be had, and says why."""
        async with self._free:
            said = await self._read(pdf)
        found = (
            msgspec.json.decode(said, type=ExtractedText)
            if said
            else ExtractedText(wrong="it took too much memory")
        )
        if found.missing:
            hint = f"send the text; who runs this gateway gets the extra `documents` by {install('perpend[documents]')}"
            raise BadRequest("PDFs aren't read here", hint=hint, field=_FIELD)
        if found.wrong:
            raise BadRequest(
                f"a PDF can't be read: {found.wrong}", hint="send its text, or pictures of it", field=_FIELD
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
                said, _ = await reader.communicate(pdf)
        except TimeoutError:
            return msgspec.json.encode(ExtractedText(wrong=f"it takes more than {self._timeout_s:g} s"))
        finally:
            if reader.returncode is None:
                reader.kill()
            await asyncio.shield(reader.wait())
        return said
