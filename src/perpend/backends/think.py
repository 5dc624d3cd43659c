"""Thinking that comes inside the text, between a dialect's markers: split off while it streams.

For servers that leave the split to their clients (TGI, MLC-LLM, vLLM without a reasoning parser). What comes in a
field of its own needs none of this; where that field was seen, text is answer.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, Protocol

from msgspec import Struct

from perpend.backends.harmony import HarmonyParser, Piece
from perpend.backends.place import Place

__all__ = [
    "PerhapsInside",
    "Piece",
    "ThinkParser",
    "ThinkRules",
    "Unmarked",
    "think_parser",
    "thought_leaked",
    "undecided",
]

_TO_ITS_END = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»"}
_AFTER_A_WORD = frozenset(" \t\n.,;:?!)")
_IN_A_SENTENCE = frozenset(".,;:?!)")
_IN_A_WORD = frozenset("-'’/")
_BETWEEN_THOUGHTS = "\n\n"


class ThinkRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dialect of thinking. No marker may begin with another one."""

    opens: tuple[str, ...] = ("<think>",)
    closes: tuple[str, ...] = ("</think>",)
    ends: tuple[str, ...] = ()
    """These end a thought too, and belong to the answer: a tool section that begins without a close tag."""
    wraps: tuple[tuple[str, str], ...] = ()
    """Markers around the whole answer, which are taken away."""
    begins: Literal["thinking", "answer"] = "answer"
    """`thinking`: the open tag is in the prompt, or left out; the text begins inside the thought."""
    prose: bool = False
    """The markers are sentences: the first one of each counts, and an opening one only where the text begins."""
    format: Literal["tags", "harmony"] = "tags"


class ThinkParser(Protocol):
    """Any chunking of a text gives the same pieces, once those of one kind are joined."""

    def feed(self, text: str) -> list[Piece]:
        """What is decided by now; the beginning of what may be a marker is held back."""
        ...

    def close(self) -> list[Piece]:
        """The rest. A thought that never closed is thinking."""
        ...


def think_parser(rules: ThinkRules, *, thinking: bool | None = None) -> ThinkParser:
    """A parser for one answer.

    `thinking` says how the text begins, where that is known better than by the rules: False where thinking was
    switched off or comes in a field of its own, True where the prompt ended in an open tag.
    """
    begins = rules.begins == "thinking" if thinking is None else thinking
    return HarmonyParser(thinking=begins) if rules.format == "harmony" else TagParser(rules, thinking=begins)


def thought_leaked(rules: ThinkRules, text: str) -> bool:
    """A whole text begins inside a thought, whatever was said of it.

    It has a close tag before any open one, and text after it. The tag stands at an end of its line and isn't quoted.
    """
    place, at = Place(), 0
    for found in _markers(rules).finditer(text):
        if found.group() in rules.opens:
            return False
        place.advance(text[at : found.start()])
        at = found.start()
        if not text[found.end() :].strip():
            return False
        alone = place.blank or text[found.end()] == "\n"
        if found.group() in rules.closes and alone and not place.quoted:
            return True
    return False


class TagParser:
    """Blocks may be repeated or nested. Tags that are quoted, or in the answer's code, are text.

    White space beside a tag is the template's, not the model's, and goes with it.
    """

    def __init__(self, rules: ThinkRules, *, thinking: bool) -> None:
        self.closed = False
        """A thought has ended."""
        self._rules = rules
        self._wraps = dict(rules.wraps)
        self._held = ""
        self._depth = 1 if thinking else 0
        self._place = Place()
        self._strip = thinking  # white space at the beginning of an answer that no thought precedes is kept
        self._space = ""  # white space that is the tag's if one follows
        self._said: Literal["thinking", "answer"] | None = None
        self._opened = False
        self._looked = 0  # so far, what is held has no marker behind its first one
        self._wrapped: str | None = None  # the marker that ends the answer's wrapping

    def feed(self, text: str) -> list[Piece]:
        self._held += text
        return self._drain(last=False)

    def close(self) -> list[Piece]:
        pieces = self._drain(last=True)
        if self._space:
            pieces.append(self._piece(self._space))
            self._space = ""
        return pieces

    def _drain(self, *, last: bool) -> list[Piece]:
        pieces: list[Piece] = []
        markers = _markers(self._rules)
        while self._held:
            found = markers.search(self._held)
            if found is None:
                self._take(
                    len(self._held) - (0 if last else undecided(_all(self._rules), self._held)), pieces
                )
                break
            self._take(found.start(), pieces)
            marker = found.group()
            if not last and len(self._held) == len(marker):
                break  # whether it's a quotation shows in what follows
            if (text := self._is_text(marker, last=last)) is None:
                break
            if text:
                self._take(len(marker), pieces)
            else:
                self._turn(marker, pieces)
        return pieces

    def _take(self, length: int, pieces: list[Piece]) -> None:
        """The next `length` characters are text."""
        text, self._held = self._held[:length], self._held[length:]
        self._looked = 0
        self._place.advance(text)
        if self._strip:
            text = text.lstrip()
        if not text:
            return
        self._strip = False
        text = self._space + text
        self._space = ""
        if self._depth or (self._said is None and text.isspace()):
            body = text.rstrip()
            text, self._space = body, text[len(body) :]
        if text:
            pieces.append(self._piece(text))

    def _piece(self, text: str) -> Piece:
        kind = "thinking" if self._depth else "answer"
        if self._opened and self._said == kind == "thinking":
            text = _BETWEEN_THOUGHTS + text
        self._opened = False
        self._said = kind
        return kind, text

    def _is_text(self, marker: str, *, last: bool) -> bool | None:
        """A marker that is spoken about, or that makes no sense where it stands. None: more has to come first."""
        rules, place = self._rules, self._place
        before, after = place.last, self._held[len(marker) : len(marker) + 1]
        if marker in rules.ends:
            return not self._depth
        if rules.prose:
            return self._depth == 0 if marker in rules.closes else self._said is not None or bool(self._depth)
        if before and _TO_ITS_END.get(before) == after:
            return True
        mentioned = before in (" ", "\t") and not place.blank and (not after or after in _AFTER_A_WORD)
        if self._depth and marker in rules.closes:
            return self._named(marker, last=last)
        if self._depth:
            return mentioned if marker in rules.opens else True
        if marker == self._wrapped:
            return False
        if marker in self._wraps:
            return self._said == "answer" or self._wrapped is not None
        if place.quoted:
            return True
        if (
            marker in rules.closes
        ):  # once a thought has ended, one more tag that nobody speaks of is the template's
            return not place.blank and (mentioned or not self.closed)
        return mentioned if marker in rules.opens else True

    def _named(self, marker: str, *, last: bool) -> bool | None:
        """A close tag inside a thought is a word of a sentence. Where it may be one, a close tag that follows tells."""
        if self._place.blank or self._place.last not in (" ", "\t", "("):
            return False
        held, rules = self._held, self._rules
        if (word := _word(held, len(marker), last=last)) != "perhaps":
            return None if word is None else word == "surely"
        at = max(len(marker), self._looked)
        while (found := _markers(rules).search(held, at)) is not None:
            before, at = held[found.start() - 1], found.end()
            if _TO_ITS_END.get(before) == held[at : at + 1]:
                continue
            word = _word(held, at, last=last) if before in " \t(" else "no"
            if word == "no":
                return found.group() in rules.closes
            if word is None or (at == len(held) and not last):
                return None
        if last:
            return False
        self._looked = max(len(marker), len(held) - max(map(len, _all(rules))))
        return None

    def _turn(self, marker: str, pieces: list[Piece]) -> None:
        """The marker does what it is for."""
        rules = self._rules
        self._looked = 0
        self._held = self._held[len(marker) :]
        if marker in rules.opens:
            nested = self._depth and self._said is not None
            if not nested:
                self._fresh()
            self._depth = self._depth + 1 if nested else 1
        elif marker in rules.closes:
            if self._depth > 1:
                self._depth -= 1
                return
            if self._depth or self._said is None:
                self._fresh()
            self._depth, self.closed = 0, True
        elif marker in rules.ends:
            self._fresh()
            self._depth, self.closed = 0, True
            self._place.advance(marker)
            self._strip = False
            pieces.append(self._piece(marker))
        elif marker == self._wrapped:
            self._wrapped = ""
        else:
            self._wrapped = self._wraps[marker]
            self._fresh()

    def _fresh(self) -> None:
        """A thought or an answer begins."""
        self._space = ""
        self._strip = True
        self._opened = True
        self._place = Place()


class PerhapsInside:
    """For a text that begins inside a thought, unless its server has taken that out: a close tag will tell.

    All is held until it comes. Without one it was no thought.
    """

    def __init__(self, rules: ThinkRules) -> None:
        self.was_inside = False
        self._parser = TagParser(rules, thinking=True)
        self._text: list[str] = []
        self._pieces: list[Piece] = []

    def feed(self, text: str) -> list[Piece]:
        pieces = self._parser.feed(text)
        if self.was_inside:
            return pieces
        self._text.append(text)
        self._pieces += pieces
        self.was_inside = self._parser.closed
        return self._pieces if self.was_inside else []

    def close(self) -> list[Piece]:
        pieces = self._parser.close()
        if self.was_inside:
            return pieces
        self.was_inside = self._parser.closed  # its tag was the last word
        return self._pieces + pieces if self.was_inside else [("answer", "".join(self._text))]


@lru_cache(maxsize=256)
def _all(rules: ThinkRules) -> tuple[str, ...]:
    wraps = [marker for pair in rules.wraps for marker in pair]
    return (*rules.opens, *rules.closes, *rules.ends, *wraps)


class Unmarked:
    """gpt-oss behind a server that strips harmony's marks and leaves the channels' names in the text."""

    OPEN, _CLOSE = "analysis", "assistantfinal"

    def __init__(self) -> None:
        rules = ThinkRules(opens=(self.OPEN,), closes=(self._CLOSE,), prose=True)
        self._parser = TagParser(rules, thinking=False)
        self.feed, self.close = self._parser.feed, self._parser.close

    @classmethod
    def begins(cls, text: str) -> bool:
        """Nothing but the name of a channel runs into the next word so."""
        first = text.removeprefix(cls.OPEN)[:1]
        return text.startswith(cls.OPEN) and first.isalnum()


def _word(text: str, end: int, *, last: bool) -> Literal["surely", "perhaps", "no"] | None:
    """What ends there is a word of a sentence, by what follows it. None: more has to come first."""
    after = text[end : end + 2]
    if not last and (not after or after == " "):
        return None
    if after[:1] in _IN_A_SENTENCE:
        return "surely"
    return "perhaps" if after[:1] in _IN_A_WORD or (after[:1] == " " and after[1:].islower()) else "no"


@lru_cache(maxsize=256)
def _markers(rules: ThinkRules) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(marker) for marker in _all(rules)))


def undecided(markers: Iterable[str], text: str) -> int:
    """Length of the longest end of `text` that one of the markers may begin with."""
    return max([_overlap(text, marker) for marker in markers], default=0)


def _overlap(text: str, marker: str) -> int:
    start = text.find(marker[0], max(0, len(text) - len(marker) + 1))
    while start >= 0:
        if marker.startswith(text[start:]):
            return len(text) - start
        start = text.find(marker[0], start + 1)
    return 0
