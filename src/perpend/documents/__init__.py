"""Documents that clients send along: their text, taken out where nothing can go wrong but itself."""

from perpend.documents.pdf import PDFReader

__all__ = ["PDFReader"]
