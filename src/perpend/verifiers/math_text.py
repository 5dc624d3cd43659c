"""Finds the mathematical answer in a solution's text, and rewrites it in plain notation. `math_equal` computes."""

import re
from collections.abc import Iterator

from perpend.verifiers import numbers

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_ANNOUNCED = re.compile(
    r"(?<!wrong )(?<!incorrect )(?:answer|result|réponse|respuesta|risposta|resposta|antwort|ответ|答案|答え)[*_]*\s*"
    r"(?:(?:should|must|would|will) be|is|est|es|ist|é|è|:|为|是|は|：)\s*:?\s*|<answer>\s*"
    r"|\b(?:wait|no|actually|sorry|oops|correction)[,:.!;\s-]+"
    r"(?:(?:it['’]s|it is|it should be|I meant?|make (?:it|that))\s+)?"
    r"(?=\$?[-\\(\d.]\S{0,80}[\s.!*]*(?:\n|\Z)|\(?[A-J]\)?[\s.!*]*(?:\n|\Z))",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    r"^\s*(?:(?:[a-zA-Z]|\\[a-z]{2,8})?(?:_\{?\w+\}?)?(?:\([a-z]\))?\s*(?:=|\\in|\\approx)\s*)(?P<rest>[^=]+)$"
)
_VALUE = re.compile(r"\$[^$]+\$|.+?(?=[.!?]\s|$)")
_NEGATED = re.compile(
    r"(?:,\s*)?\(?(?:\b(?:and )?not|(?<=n)['’]t|\brather than|\binstead of)\s\$?-?\d[\d.,]*(?<![.,])\$?\)?"
    r"(?:\s+but\b|(?=\s*(?:[.,;!]|$)))"
)
_LETTER = re.compile(r"\W*[A-J]\W*")
_THIN = re.compile(r"(?<=\d)(?:,?\\[,!;: ]|\{,\})+\s*(?=\d{3})")
_THOUSANDS = re.compile(r"(?<!\d,\s)(?<![\d.,_])\d{1,3}(?:,\s?\d{3})+(?![\d_])")
_NUMBERS = re.compile(r"-?(?:(?<![\d.,_/^])\d{1,3}(?:[ '’_]\d{3})+(?!\d)|\d[\d,]*\d|\d)(?:\.\d+)?(?:/\d+)?")
_TAG = re.compile(r"</?[A-Za-z]{1,12}/?>")
_MONEY = re.compile(
    rf"[$€£¥]\s?({_NUMBERS.pattern})|({_NUMBERS.pattern})\s?(?:[€£¥]|\$(?!\d)|dollars\b|euros\b)"
)
_BEFORE_OPERAND = re.compile(
    r"[A-Za-z0-9)}\]^_√]$|\d:$|(?:<=?|(?<![-=])>|>=|!=|&|\\(?:leq?|geq?|neq?|lt|gt)(?:slant)?)\s*\$?$|\\(?:sqrt|times|cdot|div|pm|pi)\s*$"
    r"|(?:[\d)}\]%]|(?<![A-Za-z'’])[A-Za-z]|\\[a-z]+)\s*(?:[-+*/×·÷−]|\\(?:times|cdot|div|pm))\s*\$?$"
    r"|(?<!\\text)(?<!\\textbf)(?<!\\mathbf)(?<!\\mathrm)(?<!\\boxed)(?<!\\fbox)\{\s*$"
)
"""Before a number that is a part of an expression: an operand and its sign, a root, a power, a brace."""
_AFTER_OPERAND = re.compile(
    r"(?:[abijknpqrtuvwxyz](?![A-Za-z])|\s[xyz](?![A-Za-z])|[π√(‰]|\^(?!\s*\{?\s*\\circ)|\\(?:pi|sqrt|frac|[cdt]frac|cdot|times|div)\b)"
)
"""After such a number: a variable, a root, a power, a bracket. Units are words, or other letters."""
_AREA = re.compile(r"(?:(?<=[A-Za-z]{2})|(?<=[\d ]m))\^\{?[23]\}?(?!\s?[\w(])")
"""The power of a unit."""
_ONE_MORE = re.compile(r"\d\$?\s*(?:[,;]|\b(?:and|or)\b)\s*\$?(?:[A-Za-z]\s*=\s*)?$")
_UNIT = re.compile(rf"(?:(?<=[\d)}}])|(?<=\\pi)){numbers.UNIT}\s*$")
_LAST = re.compile(r"\s*(?:\\?[)\]}]|[$.]*\s*$)")
"""Around the last number of a list."""
_FORMULA = re.compile(r"[\\^_]|[A-Za-z]\s?[-+*/]\s?\d|\d\s?[-+*/]\s?[A-Za-z]|^[(\[].*,.*[)\]]$")
_PLAIN_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,}(?![A-Za-z}])")
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,(\[{])(?P<whole>\d+),(?P<part>\d{1,2})(?![\d.,)\]}])|(?<![\d.,])0,(?P<zero>\d+)(?![\d.,])"
)
_I_TIMES = re.compile(r"(?<![a-zA-Z\\])i\(")
_PERCENT = re.compile(
    r"\s{0,4}(?:\\text\s*\{\s*)?(?:\\?%|percentages?\b|percent\b|pct\b)\s*\}?", re.IGNORECASE
)
_SINGLE = re.compile(r"(?<!\\)\\[a-zA-Z]")
"""A command with one backslash; a text without any has its backslashes escaped twice."""
_BOLD = re.compile(r"(?<![\w)}\]*])\*\*(?=[^\s*])([^*\n]*)(?<!\s)\*\*")
"""Markdown's; between numbers two asterisks are a power."""
_PYTHON_POWER = re.compile(r"\*\*\s*(?:\(([^()]*)\)|(-?\w+(?:\.\d+)?))")
_BARE_POWER = re.compile(r"\^\s?(-\s?\w+(?:\.\d+)?|\d+\.\d+)")
"""LaTeX applies a power without braces to one character only."""
_BARE_DEGREE = re.compile(r"(\\sqrt\[\w\])\s?(\w)")
_SPACE = re.compile(r"~|(?<!\\)\\[,;: ]")
_BLANK = r"(?:[\s$]|\\[,;!()\[\]]|\\q?quad)"
_WORD = r"(?:[,;&]|\b(?:and|or)\b|\\text\s?\{\s?,?\s?(?:and|or)\s?\})"
_JOINED = re.compile(
    rf"(?:\s[a-zA-Z]+\s(?=and\b))?(?:{_BLANK}*{_WORD})+{_BLANK}*(?:[a-zA-Z](?:_\{{?\w\}}?)?\s?=\s?)?\$*|[ \t$]*"
)
"""What may stand between boxes of one answer; a box after anything else replaces those before it."""


def boxed(text: str) -> list[str]:
    """The contents of all boxes, in order; an unclosed box goes to the end of the text."""
    return [box for box, _, _ in _boxes(text)]


def settled(text: str) -> str:
    """The last box, with those before it that belong to one list; or the number or choice announced after it.

    "" where there is no box.
    """
    first = last = 0
    for _, start, end in _boxes(text):
        if not last or not _JOINED.fullmatch(text, last, start):
            first = start
        last = end
    after = value(announced(text[last:])) if last else None
    return after or text[first:last]


def value(announcement: str | None) -> str | None:
    """The number or choice that an announcement begins with, where nothing of its sentence follows."""
    match = _VALUE.match(announcement or "")
    return match[0] if match and (numbers.number(plain(match[0])) or _LETTER.fullmatch(match[0])) else None


def affirmed(text: str) -> str:
    """The text without numbers that it says are not the answer."""
    return _NEGATED.sub("", text)


def _boxes(text: str) -> Iterator[tuple[str, int, int]]:
    """Each box's content, start and end."""
    end = 0
    for match in _BOXED.finditer(text):
        if match.start() >= end:
            closed = _closing(text, match.end())
            end = min(closed + 1, len(text))
            yield text[match.end() : closed].strip(), match.start(), end


def _closing(text: str, start: int) -> int:
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text)


def split_outside_brackets(text: str, separators: str) -> list[str]:
    """The parts between separators that are in no bracket."""
    found, depth, start = list[str](), 0, 0
    for index, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter in separators and depth == 0:
            found.append(text[start:index])
            start = index + 1
    return [*found, text[start:]]


def announced(text: str) -> str | None:
    """The rest of the line after the last "the answer is" or the like; None: there is none."""
    matches = list(_ANNOUNCED.finditer(text))
    if not matches:
        return None
    rest = text[matches[-1].end() :].partition("\n")[0].partition("</")[0]
    return rest.strip(" \t*").rstrip(".") or None


def unassigned(text: str) -> str:
    """The value of an assignment such as `x = 5`; other texts as they are."""
    match = _ASSIGNED.match(text)
    return match["rest"] if match else text


def unitless(text: str) -> str:
    """An expression without a unit at its end, as in `12\\pi \\text{ cm}^2`."""
    return _UNIT.sub("", text)


def money(text: str) -> str | None:
    """The only amount of money in a sentence, which is the answer even among other numbers; None: none, or several."""
    found = {before or after for before, after in _MONEY.findall(text)}
    return found.pop() if len(found) == 1 else None


def last_number(text: str) -> str | None:
    """The last number, unless it's part of an expression or list: `\\sqrt{3}`, `x^2`, `3 + 5`, `3 or 7` have none."""
    text = _AREA.sub("", _BOLD.sub(r"\1", _TAG.sub(" ", text)))
    found = list(_NUMBERS.finditer(text))
    if not found:
        return None
    before, after = text[: found[-1].start()], text[found[-1].end() :]
    if not before.strip(" $") and after.strip(" $") == "!":  # a factorial, not an exclamation
        return None
    listed = _ONE_MORE.search(before) and _LAST.match(after)
    return None if listed or _BEFORE_OPERAND.search(before) or _AFTER_OPERAND.match(after) else found[-1][0]


def last_formula(text: str) -> str | None:
    """What follows the last word of the last line, where it is more than a number and no element of a list."""
    line = unitless(text.strip().rpartition("\n")[2].rstrip(" .$"))
    words = list(_PLAIN_WORD.finditer(line))
    tail = line[words[-1].end() :].strip(" .:,!$") if words else ""
    listed = bool(words) and words[-1][0].lower() in ("and", "or")
    return tail if _FORMULA.search(tail) and tail[0] not in "^_" and not listed else None


def plain(text: str) -> str:
    """The answer in plain notation: no markup, one spelling for powers, spaces, fractions, thousands and percent."""
    if not _SINGLE.search(text):
        text = text.replace(r"\\", "\\")
    text = _BOLD.sub(r"\1", text)
    text = _BARE_POWER.sub(r"^{\1}", _PYTHON_POWER.sub(r"^{\1\2}", text))
    text = text.replace(r"\$", "").replace(r"\left", "").replace(r"\right", "").replace("dfrac", "frac")
    text = text.replace("tfrac", "frac").replace("cfrac", "frac").replace("varnothing", "emptyset")
    text = text.replace(r"\lbrace", r"\{").replace(r"\rbrace", r"\}")
    text = _SPACE.sub(" ", _THIN.sub("", _BARE_DEGREE.sub(r"\1{\2}", text)))
    if not re.search(r"[(\[{]", text):
        text = _DECIMAL_COMMA.sub(lambda m: f"{m['whole'] or 0}.{m['part'] or m['zero']}", text)
    text = _THOUSANDS.sub(lambda match: re.sub(r",\s?", "", match[0]), text)
    text = _I_TIMES.sub(r"i \\cdot (", text)
    return _PERCENT.sub(r"\\%", text).strip().rstrip(".,;").strip()
