"""The process that reads one PDF: it comes in on stdin, its text goes out as JSON.

It may hang or eat memory: whoever started it keeps time, and kills it.
"""

import io
import logging
import resource
import sys

import msgspec
from msgspec import Struct

_MEMORY = 1 << 30
_MOST_TEXT = 4_000_000
"""Characters."""
_MOST_PAGES = 2_000


class ExtractedText(Struct, omit_defaults=True):
    text: str = ""
    wrong: str = ""
    """Why there is none."""
    missing: bool = False
    """The library isn't here."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    sys.stdout.buffer.write(msgspec.json.encode(_found(sys.stdin.buffer.read())))


def _found(pdf: bytes) -> ExtractedText:
    try:
        from pypdf import PdfReader
    except ImportError:
        return ExtractedText(missing=True)
    try:
        pages = PdfReader(io.BytesIO(pdf)).pages
        if len(pages) > _MOST_PAGES:
            return ExtractedText(wrong=f"it has more than {_MOST_PAGES} pages")
        texts: list[str] = []
        left = _MOST_TEXT
        for page in pages:
            texts.append(page.extract_text())
            left -= len(texts[-1])
            if left < 0:
                return ExtractedText(wrong=f"it has more than {_MOST_TEXT} characters")
        return ExtractedText(text="\n\n".join(texts))
    except MemoryError:
        return ExtractedText(wrong="it takes too much memory")
    except Exception as error:  # whatever a parser makes of what isn't a PDF
        return ExtractedText(wrong=str(error)[:200] or type(error).__name__)


if __name__ == "__main__":
    main()
