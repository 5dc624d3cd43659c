"""Normalises Unicode: characters to those of a keyboard, mathematics to LaTeX.

It runs before anything is searched in a text: a minus sign that isn't recognised makes a wrong number.
"""

import re
import unicodedata
from collections.abc import Iterable

_LETTERS = "0123456789+-=()abcdefghijklmnopqrstuvwxyz"
_CODE_POINTS = range(0x80, 0x2190)
"""Code points of Unicode's fractions, superscripts and subscripts."""


def _decomposed(kind: str) -> dict[str, str]:
    """Characters with a compatibility decomposition of this kind, and what they stand for."""
    found: dict[str, str] = {}
    for code in _CODE_POINTS:
        tag, _, parts = unicodedata.decomposition(chr(code)).partition(" ")
        if tag == kind:
            found[chr(code)] = "".join(chr(int(part, 16)) for part in parts.split()).replace("−", "-")
    return found


def _raised(kind: str) -> dict[str, str]:
    return {sign: of for sign, of in _decomposed(kind).items() if of in _LETTERS and sign not in "ªº"}


_OVER, _UNDER = _raised("<super>"), _raised("<sub>")
_FRACTIONS = {
    sign: r"\frac{%s}{%s}" % tuple(of.split("⁄"))  # noqa: UP031 -- braces are LaTeX's
    for sign, of in _decomposed("<fraction>").items()
    if re.fullmatch(r"\d+⁄\d+", of)
}
_GREEK = {
    **{
        "α": "alpha",
        "β": "beta",
        "γ": "gamma",
        "δ": "delta",
        "ε": "epsilon",
        "ζ": "zeta",
        "η": "eta",
        "θ": "theta",
    },
    **{"κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma"},
    **{
        "τ": "tau",
        "φ": "phi",
        "χ": "chi",
        "ψ": "psi",
        "ω": "omega",
        "Γ": "Gamma",
        "Δ": "Delta",
        "Θ": "Theta",
    },
    **{"Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega"},
}
_SIGNS = {
    **dict.fromkeys("−–‒‐‑﹣－˗➖", "-"),
    **dict.fromkeys("―﹘─⸺", "—"),
    **dict.fromkeys("、٬", ","),
    **{"٫": ".", "٪": "%"},
    **dict.fromkeys("\u00a0\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u2060\ufeff\u2061\u2062", ""),
    **dict.fromkeys("⁄∕", "/"),
    **dict.fromkeys("·⋅∙", r"\cdot "),
    **dict.fromkeys("′ʹ", "'"),
    **dict.fromkeys("×⨯✕✖", r"\times "),
    **{"÷": r"\div ", "∗": "*", "±": r"\pm ", "∓": r"\mp ", "∣": "|", "∶": ":"},
    **{"≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx "},
    **{"∞": r"\infty ", "∅": r"\emptyset ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∠": r"\angle "},
    **{"ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}"},
    **{"⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "°": r"^\circ "},
    **{"℃": r"^\circ C", "℉": r"^\circ F", "≦": r"\le ", "≧": r"\ge "},
    **{"∧": r"\land ", "∨": r"\lor ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int "},
}
_KEYBOARD = {sign: of for sign, of in _SIGNS.items() if not of.startswith(("\\", "^"))}


_WORD = {
    **{"pi": r"\pi ", "inf": r"\infty ", "infinity": r"\infty ", "theta": r"\theta "},
    **{"sqrt": "√", "cbrt": "∛", "+/-": r"\pm "},
}
"""Words that stand for symbols outside of LaTeX."""
_WORDS = re.compile(
    r"(?<![\\A-Za-z])(?:(?:pi|inf(?:inity)?|theta)(?![A-Za-z])|(?:sqrt|cbrt)(?=\s?[({\d]))|\+/-"
)
_FUNCTION = re.compile(
    r"(?<![\\A-Za-z])(?:sin|cos|tan|cot|sec|csc|log|ln|exp)(?=\s?[(^_\d\\]|\s[a-z](?![A-Za-z]))"
)


def _any_of(signs: Iterable[str]) -> str:
    return "[" + "".join(map(re.escape, signs)) + "]"


_ROOT = re.compile(rf"(?:(?<!{_any_of(_OVER)})(?P<degree>{_any_of(_OVER)}+)\s?)?(?P<root>[√∛∜])\s?")
_MOST_ROOTS = 100
_RADICAND = re.compile(r"\d+(?:\.\d+)?|[a-zA-Z]|\\[a-zA-Z]+(?:\[\d\])?(?:\{[^{}]*\})*")
_RUN = re.compile(
    rf"(?P<above>{_any_of(_OVER)}+)[⁄∕/](?P<below>{_any_of(_UNDER)}+)"
    rf"|(?P<over>{_any_of(_OVER)}+)|(?P<under>{_any_of(_UNDER)}+)"
)
_WIDE = re.compile("[\uff01-\uff5e\u249c-\u24e9\U0001d400-\U0001d7ff\U0001f110-\U0001f149]")
"""Letters, digits and signs in full width, in circles or squares, or as mathematical letters."""
_DIGIT = re.compile(r"(?![0-9])\d")
"""A digit of another script."""
_SIGN = re.compile(_any_of(_SIGNS) + "|" + _any_of(_FRACTIONS))
_LONE_GREEK = re.compile(rf"(?<![Ͱ-Ͽἀ-῿]){_any_of(_GREEK)}(?![Ͱ-Ͽἀ-῿])")
_KEY = re.compile(_any_of(_KEYBOARD))
_LONG_DASH = re.compile(
    r"(?:(?<=[=<>≤≥≈])\s?—\s?|(?:(?<=[(\[{,;:+*/^$])|(?<=[(\[{,;:+*/^]\s)|\A)—)(?=[\d.\\√(a-zA-Z])"
)
"""A long dash where a sign may stand; elsewhere it is punctuation."""
_BETWEEN_TERMS = re.compile(
    r"(?:(?<![\w\\])(?P<term>\d*[a-z](?:\^\{?\d+\}?|[²³]|_\{?\d\}?)?)(?P<a>\s?)—(?P=a)(?=[\d.\\√(]|[a-z](?![A-Za-z])))"
    r"|(?<=\d)(?P<b>\s)—\s(?=\d*[b-hj-z](?![A-Za-z]))"
)
"""A long dash between two terms, one of them a variable: a minus sign."""
_MATHS = re.compile(r"\$[^$]+\$|\\boxed\s*\{(?:[^{}]|\{[^{}]*\})*\}|\A.*\Z", re.DOTALL)
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_OPERANDS = re.compile(r"(?<=[\w)}\]])\s?—\s?(?=[\w.(\\√])")
_APART = re.compile(r"(?<=[=<>(\[{,])(\s?)-\s(?=[\d.\\(])")
"""A minus sign with a space before its number; after a word it may be a dash."""
_MINUS_APART = re.compile(r"(?<=[^\W\d_]{2}\s)−\s(?=[\d.\\√$€£¥₹])|(?<![\w)\]}])⁻(?=[\d.])")
"""Unicode's minus sign is no dash, even after a word; a raised one is a sign in school books."""
_OWED = re.compile(r"(?<![\w)}\]])(?<![\d)}\]][\s$])-(?P<currency>\\?[$€£¥₹])(?=-?[\d.])")
"""A minus sign before a currency sign: it belongs to the number."""
_OVERLINED = re.compile(r"(?:\d[\u0305\u0304])+")
_REPEATS = re.compile(
    r"(?<![\w.,])(?P<whole>\d{0,30})(?:\.|(?<![(\[{]0),)(?P<once>\d{0,30})(?:"
    r"\\(?:overline|bar|dot)\s*(?:\{(?P<a>\d{1,30})\}|(?P<b>\d))|\((?P<c>\d{1,30})\)(?!\s?[\w(^])"
    r"|(?P<d>\d)(?P=d)(?:\.\.\.|…|\\l?dots))"
)
"""A repeating decimal, written with a bar, dots, brackets or an ellipsis."""


def keyboard(text: str) -> str:
    """The text with a keyboard's minus signs, spaces, digits and letters."""
    text = _WIDE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = _DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)
    text = _MINUS_APART.sub("-", text)
    text = _LONG_DASH.sub("-", _KEY.sub(lambda match: _KEYBOARD[match[0]], text))
    if "—" in text:
        text = _BETWEEN_TERMS.sub(lambda match: f"{match['term'] or ''} - ", text)
        text = _MATHS.sub(_subtracted, text)
    return _OWED.sub(r"\g<currency>-", _APART.sub(r"\1-", text))


def _subtracted(maths: re.Match[str]) -> str:
    """Mathematics without words, in which a long dash between operands is a minus sign."""
    content = maths[0].removeprefix("\\boxed")
    return maths[0] if _PROSE.search(content) else _OPERANDS.sub(" - ", maths[0])


def latex(text: str) -> str:
    """The text with mathematics in LaTeX, and repeating decimals as fractions."""
    text = _WORDS.sub(lambda match: _WORD[match[0]], keyboard(text))
    text = re.sub(r"(?<=[)\]])\s?U\s?(?=[(\[])", r"\\cup ", text)
    if not text.isascii():
        text = _RUN.sub(_moved, _roots(_OVERLINED.sub(_overline, text)))
        text = _SIGN.sub(lambda match: _FRACTIONS.get(match[0]) or _SIGNS[match[0]], text)
        text = _LONE_GREEK.sub(lambda match: rf"\{_GREEK[match[0]]} ", text)
    return _REPEATS.sub(_exact, _FUNCTION.sub(r"\\\g<0>", text))


def _moved(run: re.Match[str]) -> str:
    if run["above"]:
        above, below = map(_OVER.__getitem__, run["above"]), map(_UNDER.__getitem__, run["below"])
        return rf"\frac{{{''.join(above)}}}{{{''.join(below)}}}"
    if run["over"]:
        return f"^{{{''.join(map(_OVER.__getitem__, run['over']))}}}"
    return f"_{{{''.join(map(_UNDER.__getitem__, run['under']))}}}"


def _overline(run: re.Match[str]) -> str:
    return rf"\overline{{{re.sub('[^0-9]', '', run[0])}}}"


def _roots(text: str) -> str:
    """Root signs as \\sqrt, the last one first, since an earlier one's radicand may hold others."""
    found = list(_ROOT.finditer(text))
    if len(found) > _MOST_ROOTS:
        return text
    for root in reversed(found):
        start, below = root.end(), _RADICAND.match(text, root.end())
        end = below.end() if below else _closing(text, start)
        inner = text[start:end] if below else text[start + 1 : end - 1]
        degree = {"√": "".join(_OVER[one] for one in root["degree"] or ""), "∛": "3", "∜": "4"}[root["root"]]
        index = f"[{degree}]" if degree not in ("", "2") else ""
        if end > start:
            text = rf"{text[: root.start()]}\sqrt{index}{{{inner}}}{text[end:]}"
    return text


def _closing(text: str, start: int) -> int:
    """The index after the bracket that closes the one at `start`; `start` where there is none."""
    opening = text[start : start + 1]
    change = {"(": {"(": 1, ")": -1}, "{": {"{": 1, "}": -1}}.get(opening, {})
    depth = 0
    for index in range(start, len(text) if change else start):
        depth += change.get(text[index], 0)
        if depth == 0:
            return index + 1
    return start


def _exact(decimal: re.Match[str]) -> str:
    again = decimal["a"] or decimal["b"] or decimal["c"] or decimal["d"]
    once = f"{decimal['whole']}{decimal['once']}"
    above = int(once + again) - int(once or 0)
    return rf"\frac{{{above}}}{{{(10 ** len(again) - 1) * 10 ** len(decimal['once'])}}}"
