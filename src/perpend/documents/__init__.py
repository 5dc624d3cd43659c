"""Extracts the text of documents that clients send, in a separate process."""

from perpend.documents.pdf import PDFReader

__all__ = ["PDFReader"]
