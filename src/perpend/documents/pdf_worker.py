"""The process that reads one PDF from stdin and writes its text to stdout as JSON (`ExtractedText`).

It limits its own memory; its parent limits its time.
"""

import io
import logging
import resource
import sys

import msgspec
from msgspec import Struct

_MEMORY_BYTES = 1 << 30
_MAX_CHARS = 4_000_000
_MAX_PAGES = 2_000


class ExtractedText(Struct, omit_defaults=True):
    """What the process writes."""

    text: str = ""
    error: str = ""
    """Why there is no text."""
    no_library: bool = False
    """pypdf isn't installed."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    logging.disable(logging.CRITICAL)
    sys.stdout.buffer.write(msgspec.json.encode(_extracted(sys.stdin.buffer.read())))


def _extracted(pdf: bytes) -> ExtractedText:
    try:
        from pypdf import PdfReader
    except ImportError:
        return ExtractedText(no_library=True)
    try:
        pages = PdfReader(io.BytesIO(pdf)).pages
        if len(pages) > _MAX_PAGES:
            return ExtractedText(error=f"it has more than {_MAX_PAGES} pages")
        texts: list[str] = []
        remaining = _MAX_CHARS
        for page in pages:
            texts.append(page.extract_text())
            remaining -= len(texts[-1])
            if remaining < 0:
                return ExtractedText(error=f"it has more than {_MAX_CHARS} characters")
        return ExtractedText(text="\n\n".join(texts))
    except MemoryError:
        return ExtractedText(error="it takes too much memory")
    except Exception as error:  # pypdf raises errors of many kinds
        return ExtractedText(error=str(error)[:200] or type(error).__name__)


if __name__ == "__main__":
    main()
