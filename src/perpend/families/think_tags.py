"""Thinking that comes inside the text, between a dialect's markers: split off while it streams.

For servers that leave the split to their clients (TGI, MLC-LLM, vLLM without a reasoning parser), and for thoughts that
come once an answer has begun, whoever split off the first one.

There a tag is text where it is in code or quoted, or where the words beside it name it ("the <think> tag"). Else it
opens a thought: at once where no sentence could hold it (`answer<think>so`, or alone on its line); where one could,
what follows is held until a close tag makes it a thought. If none comes, it was the answer's, and is given as such at
the end of a response that is whole; of one that was cut nobody can tell, and it is thinking.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from perpend.families.harmony import CHANNELS, HarmonyParser, Piece
from perpend.families.tag_mentions import (
    in_sentence,
    named,
    quotation,
    quoted_both_sides,
    spoken_between,
    word,
)
from perpend.families.text_position import TextPosition

__all__ = [
    "MaybeThinkingParser",
    "Piece",
    "StrippedHarmonyParser",
    "ThinkParser",
    "ThinkRules",
    "partial_marker_length",
    "think_parser",
    "thought_leaked",
]

_AFTER_A_WORD = frozenset(" \t\n.,;:?!)")
_NEAR = 24
"""Characters beside a tag that tell whether it is named."""
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

    def close(self, *, cut: bool = False) -> list[Piece]:
        """The rest. A thought that never closed is thinking; `cut`: so is what may be one."""
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
    place, at = TextPosition(), 0
    for found in _markers(rules).pattern.finditer(text):
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

    White space beside a tag is the template's, not the model's, and goes with it; after a thought within the answer,
    where there is some before it too.
    """

    def __init__(self, rules: ThinkRules, *, thinking: bool = False, begun: bool = False) -> None:
        """`begun`: the answer has, so a close tag without an open one is text, and channels may follow it."""
        self.closed = False
        """A thought has ended."""
        self.idle = begun
        """Nothing is held, and what comes is answer."""
        self.thought = 0
        """Characters of thoughts so far."""
        self._rules = rules
        self._wraps = dict(rules.wraps)
        self._held = ""
        self._depth = 1 if thinking else 0
        self.unread: list[str] = []
        """Where text is put that has none of the letters that markers begin with, while nothing is held."""
        self._place = TextPosition(self.unread)
        self._strip = thinking  # white space at the beginning of an answer that no thought precedes is kept
        self._space = ""  # white space that is the tag's if one follows
        self._said: Literal["thinking", "answer"] | None = "answer" if begun else None
        self._begun = begun
        self._markers = markers = _markers(rules, begun)
        self.letters = markers.letters
        self._late = False  # the thought came once the answer had begun,
        self._spaced = True  # after white space in it
        self._channels: HarmonyParser | None = None
        self._answered = 0  # before `_place`
        self._cut = False
        self._unclosed = 0  # open tags that are text
        self._opened = False
        self._looked = 0  # so far, what is held has no marker behind its first one
        self._wrapped: str | None = None  # the marker that ends the answer's wrapping

    @property
    def answered(self) -> int:
        """Characters of the answer so far."""
        return self._answered + (0 if self._depth else self._place.length)

    def feed(self, text: str) -> list[Piece]:
        if self._channels is not None:
            return self._told(self._channels.feed(text))
        if self.idle and not any(letter in text for letter in self.letters):
            self._place.advance(text)
            return [("answer", text)] if text else []
        self._held += text
        pieces = self._drain(last=False)
        busy = self._held or self._depth or self._strip or self._space or self._channels
        self.idle = self._said == "answer" and not busy
        return pieces

    def close(self, *, cut: bool = False) -> list[Piece]:
        self._cut = cut
        pieces = self._drain(last=True)
        if self._channels is not None:
            return pieces + self._told(self._channels.close())
        if self._space:
            pieces.append(self._piece(self._space))
            self._space = ""
        return pieces

    def _drain(self, *, last: bool) -> list[Piece]:
        pieces: list[Piece] = []
        while self._held:
            found = self._markers.pattern.search(self._held)
            if found is None:
                held = 0 if last else partial_marker_length(self._markers.all, self._held)
                self._take(len(self._held) - held, pieces)
                break
            self._take(found.start(), pieces)
            marker = found.group()
            if not last and len(self._held) == len(marker):
                break  # whether it's a quotation shows in what follows
            if (text := self._is_text(marker, last=last)) is None:
                break
            if text:
                self._unclosed = (
                    self._unclosed + 1 if marker in self._rules.opens else max(0, self._unclosed - 1)
                )
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
        self.thought += len(text) if self._depth else 0
        return kind, text

    def _told(self, pieces: list[Piece]) -> list[Piece]:
        """By channels."""
        self.thought += sum(len(text) for kind, text in pieces if kind == "thinking")
        self._answered += sum(len(text) for kind, text in pieces if kind == "answer")
        return pieces

    def _is_text(self, marker: str, *, last: bool) -> bool | None:
        """A marker that is spoken about, or that makes no sense where it stands. None: more has to come first."""
        rules, place = self._rules, self._place
        if marker in rules.ends:
            return not self._depth
        if rules.prose and marker not in CHANNELS:
            return self._depth == 0 if marker in rules.closes else self._said is not None or bool(self._depth)
        if not self._depth and self._said == "answer" and (marker in rules.opens or marker in CHANNELS):
            return self._in_answer(marker, last=last)
        before, after = place.last, self._held[len(marker) : len(marker) + 1]
        if quoted_both_sides(before, after):
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
        if marker in rules.closes:
            # once a thought has ended, one more tag that nobody speaks of is the template's
            spoken = mentioned or self._unclosed or not self.closed
            return (not place.blank and bool(spoken)) or (self._begun and not self.closed)
        return mentioned if marker in rules.opens else True

    def _in_answer(self, marker: str, *, last: bool) -> bool | None:
        """An open tag in the answer is text; None: more has to come first. See above."""
        rules = self._rules
        if not self._looked and (told := self._told_beside(marker, last=last)) != "perhaps":
            return told
        for found in self._markers.pattern.finditer(self._held, max(len(marker), self._looked)):
            if found.group() not in rules.closes and found.group() not in rules.ends:
                continue
            before, after = self._held[: found.start()], self._held[found.end() :]
            if not after and not last:
                return None  # whether it's a quotation shows in what follows
            if quoted_both_sides(before[-1], after[:1]):
                continue
            if (name := named(before[-_NEAR:], after[:_NEAR], last=last)) is not False:
                if name is None:
                    return None
                continue
            return spoken_between(self._held[len(marker) : found.start()])
        self._looked = max(len(marker), len(self._held) - self._markers.longest)
        return not self._cut if last else None

    def _told_beside(self, marker: str, *, last: bool) -> bool | Literal["perhaps"] | None:
        """What stands beside an open tag in the answer tells whether it is text. None: more has to come first."""
        place, rest = self._place, self._held[len(marker) :]
        if place.in_code:
            return True
        if (quoted := quotation(place, rest, self._rules.closes, last=last)) is not False:
            return quoted
        if not (word_ := in_sentence(place, self._held, len(marker), last=last)):
            return word_
        if marker in CHANNELS or (name := named(place.tail, rest, last=last)):
            return True
        return None if name is None else "perhaps"

    def _named(self, marker: str, *, last: bool) -> bool | None:
        """A close tag inside a thought is a word of a sentence. Where it may be one, a close tag that follows tells."""
        if self._place.blank or self._place.last not in (" ", "\t", "("):
            return False
        held, rules = self._held, self._rules
        said = word(held, len(marker), last=last)
        if said in (None, "no") or (said == "surely" and not self._late):
            return None if said is None else said == "surely"
        at = max(len(marker), self._looked)
        while (found := self._markers.pattern.search(held, at)) is not None:
            before, at = held[found.start() - 1], found.end()
            if quoted_both_sides(before, held[at : at + 1]):
                continue
            said = word(held, at, last=last) if before in " \t(" else "no"
            if said == "no":
                return found.group() in rules.closes
            if said is None or (at == len(held) and not last):
                return None
        if last:
            return False
        self._looked = max(len(marker), len(held) - self._markers.longest)
        return None

    def _turn(self, marker: str, pieces: list[Piece]) -> None:
        """The marker does what it is for."""
        rules = self._rules
        self._looked = 0
        self._held = self._held[len(marker) :]
        if marker in CHANNELS and marker not in rules.opens:
            self._fresh()
            self._channels, held, self._held = HarmonyParser(), self._held, ""
            pieces += self._told(self._channels.feed(marker + held))
        elif marker in rules.opens:
            nested = self._depth and self._said is not None
            if not nested:
                self._late = self._said == "answer"
                self._spaced = not self._late or self._place.blank or self._place.last.isspace()
                self._fresh()
            self._depth = self._depth + 1 if nested else 1
        elif marker in rules.closes:
            if self._depth > 1:
                self._depth -= 1
                return
            if self._depth or self._said is None:
                self._fresh()
                self._strip = self._spaced
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
        self._answered = self.answered
        self._space = ""
        self._strip = True
        self._opened = True
        self._place = TextPosition(self.unread)


class MaybeThinkingParser:
    """For a text that begins inside a thought, unless its server has taken that out: a close tag will tell.

    All is held until it comes. Without one it was no thought.
    """

    def __init__(self, rules: ThinkRules) -> None:
        self.was_inside = False
        self._rules = rules
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

    def close(self, *, cut: bool = False) -> list[Piece]:
        pieces = self._parser.close(cut=cut)
        if self.was_inside:
            return pieces
        self.was_inside = self._parser.closed  # its tag was the last word
        if self.was_inside:
            return self._pieces + pieces
        parser = TagParser(self._rules, begun=True)
        return parser.feed("".join(self._text)) + parser.close(cut=cut)


class StrippedHarmonyParser:
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


class _Markers(NamedTuple):
    """All that a text is looked at for."""

    all: tuple[str, ...]
    letters: tuple[str, ...]
    """With one of these begins each marker."""
    longest: int
    pattern: re.Pattern[str]


@lru_cache(maxsize=256)
def _markers(rules: ThinkRules, begun: bool = False) -> _Markers:
    """`begun`: the answer has, so channels may follow it."""
    wraps = [marker for pair in rules.wraps for marker in pair]
    own = (*rules.opens, *rules.closes, *rules.ends, *wraps)
    channels = [mark for mark in CHANNELS if begun and not any(mark in marker for marker in own)]
    markers = (*own, *channels)
    letters = tuple({marker[0] for marker in markers})
    pattern = re.compile("|".join(re.escape(marker) for marker in markers))
    return _Markers(markers, letters, max(map(len, markers)), pattern)


def partial_marker_length(markers: Iterable[str], text: str) -> int:
    """Length of the longest end of `text` that one of the markers may begin with."""
    return max([_overlap(text, marker) for marker in markers], default=0)


def _overlap(text: str, marker: str) -> int:
    start = text.find(marker[0], max(0, len(text) - len(marker) + 1))
    while start >= 0:
        if marker.startswith(text[start:]):
            return len(text) - start
        start = text.find(marker[0], start + 1)
    return 0
