"""Reads matrices in LaTeX and as lists of lists: [[1,2],[3,4]], [1 2; 3 4] and the like."""

import re

from perpend.verifiers.math_text import split_outside_brackets

Rows = list[list[str]]
_OPENS, _CLOSES = "[({", "])}"
_LATEX = re.compile(
    r"(?:[A-Za-z]\s*=\s*)?\\begin\s*\{(?P<kind>[a-zA-Z]*matrix|array)\}(?:\{[lcr|]*\})?"
    r"(?P<body>(?:(?!\\begin).)*)\\end\s*\{(?P=kind)\}",
    re.DOTALL,
)
_ROWS = re.compile(r"\[[^\[\]]*;[^\[\]]*\]")
_MAX_CHARS = 2000


def cells(gold: str, given: str) -> tuple[Rows, Rows] | None:
    """The cells of two matrices, of which at least one is in LaTeX; a list of lists may stand in a sentence.

    None: they aren't two matrices.
    """
    first, second = _latex(gold), _latex(given)
    if first is None and second is None:
        return None
    first, second = first or _listed(gold), second or _listed(given)
    return None if first is None or second is None else (first, second)


def _latex(text: str) -> Rows | None:
    found = _LATEX.fullmatch(text.strip().strip("$").strip())
    if found is None:
        return None
    rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", found["body"]) if row.strip()]
    return [[cell.strip() for cell in row.split("&")] for row in rows]


def _listed(text: str) -> Rows | None:
    """The last list of lists in the text."""
    text = text.replace("\\{", "{").replace("\\}", "}")
    if len(text) > _MAX_CHARS:
        return None
    found: Rows | None = None
    at = 0
    while at < len(text):
        if text[at] in _OPENS:
            end = _closing(text, at)
            found, at = _rows(text[at:end]) or found, end - 1
        at += 1
    return found


def _rows(text: str) -> Rows | None:
    if _ROWS.fullmatch(text):
        return [row.replace(",", " ").split() for row in text[1:-1].split(";")]
    inner = _elements(text[1:-1])
    if len(inner) == 1 and text[0] == "(":  # a call such as Matrix([[1,2]])
        return _rows(inner[0])
    nested = all(part[:1] in _OPENS and part and _closing(part, 0) == len(part) for part in inner)
    return [_elements(part[1:-1]) for part in inner] if nested else None


def _elements(text: str) -> list[str]:
    return [part.strip() for part in split_outside_brackets(text, ",")]


def _closing(text: str, start: int) -> int:
    """The index after the bracket that closes the one at `start`; the text's end where none does."""
    depth = 0
    for index in range(start, len(text)):
        depth += (text[index] in _OPENS) - (text[index] in _CLOSES)
        if depth == 0:
            return index + 1
    return len(text)
