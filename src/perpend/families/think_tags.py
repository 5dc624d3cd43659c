"""Splits thinking off a text while it streams, where it stands between markers such as <think> and </think>.

For servers that leave the split to their clients (TGI, MLC-LLM, vLLM without a reasoning parser), and for thoughts that
come after an answer has begun, whoever split off the first one.

Within an answer, a tag is text where it is in code or quoted, or where words beside it name it ("the <think> tag").
Else it opens a thought: at once where it can't be a word of a sentence (`answer<think>so`, or alone on its line); where
it could be, what follows is held until a close tag makes it a thought. If none comes, it is given as answer at the end
of a complete response, and as thinking at the end of one that was cut, since that can't be known.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from perpend.families.harmony import CHANNELS, HarmonyParser, Piece
from perpend.families.tag_mentions import (
    in_sentence,
    is_ellipsis,
    is_named,
    is_quoted,
    is_word,
    quoted_both_sides,
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
_NEAR_CHARS = 24
"""Beside a tag that are searched for words that name it."""
_BETWEEN_THOUGHTS = "\n\n"


class ThinkRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The markers of a family's thinking. No marker may begin with another one."""

    opens: tuple[str, ...] = ("<think>",)
    closes: tuple[str, ...] = ("</think>",)
    ends: tuple[str, ...] = ()
    """Markers that end a thought too, and are part of the answer: a tool section may begin without a close tag."""
    wraps: tuple[tuple[str, str], ...] = ()
    """Pairs of markers around the whole answer, which are removed."""
    begins: Literal["thinking", "answer"] = "answer"
    """`thinking`: the open tag is in the prompt, or left out; the text begins inside the thought."""
    prose: bool = False
    """The markers are sentences: only the first one of each counts, and an opening one only at the text's beginning."""
    format: Literal["tags", "harmony"] = "tags"


class ThinkParser(Protocol):
    """Any chunking of a text gives the same pieces, once those of one kind are joined."""

    def feed(self, text: str) -> list[Piece]:
        """The pieces that are decided; what may be the beginning of a marker is held back."""
        ...

    def close(self, *, cut: bool = False) -> list[Piece]:
        """The remaining pieces. An unclosed thought is thinking; if the response was `cut`, so is what may be one."""
        ...


def think_parser(rules: ThinkRules, *, thinking: bool | None = None) -> ThinkParser:
    """A parser for one response.

    `thinking`: whether the text begins inside a thought; None: as the rules say. False where thinking was switched off
    or has a field of its own, True where the prompt ended in an open tag.
    """
    begins = rules.begins == "thinking" if thinking is None else thinking
    return HarmonyParser(thinking=begins) if rules.format == "harmony" else TagParser(rules, thinking=begins)


def thought_leaked(rules: ThinkRules, text: str) -> bool:
    """Whether a complete text, expected to be an answer, begins inside a thought.

    It does where a close tag comes before any open one, with text after it, at an end of its line and unquoted.
    """
    position, at = TextPosition(), 0
    for found in _markers(rules).pattern.finditer(text):
        if found.group() in rules.opens:
            return False
        position.advance(text[at : found.start()])
        at = found.start()
        if not text[found.end() :].strip():
            return False
        at_line_end = position.blank or text[found.end()] == "\n"
        if found.group() in rules.closes and at_line_end and not position.quoted:
            return True
    return False


class TagParser:
    """Implements `ThinkParser` for tags. Blocks may be repeated or nested.

    White space beside a tag comes from the chat template and is dropped with it; after a thought within the answer,
    only where there is some before it too.
    """

    def __init__(self, rules: ThinkRules, *, thinking: bool = False, begun: bool = False) -> None:
        """`begun`: the answer has begun, so a lone close tag is text, and harmony's channels may follow."""
        self.closed = False
        """A thought has ended."""
        self.idle = begun
        """Nothing is held back, and text without a marker is answer."""
        self.thought = 0
        """Characters of thinking so far."""
        self._rules = rules
        self._wraps = dict(rules.wraps)
        self._held = ""
        self._depth = 1 if thinking else 0
        self.unread: list[str] = []
        """While `idle`, callers may append text that holds none of `letters` here, in place of calling `feed`."""
        self._position = TextPosition(self.unread)
        self._strip = thinking  # drop white space that comes next
        self._space = ""  # white space that is dropped if a tag follows
        self._last_kind: Literal["thinking", "answer"] | None = "answer" if begun else None
        self._begun = begun
        self._markers = markers = _markers(rules, begun)
        self.letters = markers.letters
        self._late = False  # the thought came after the answer had begun,
        self._spaced = True  # and there was white space before it
        self._channels: HarmonyParser | None = None
        self._answered = 0  # characters of the answer before `_position`
        self._cut = False
        self._unclosed = 0  # open tags that are text
        self._opened = False
        self._searched = 0  # up to here, what is held has no marker after its first one
        self._wrapped: str | None = None  # the marker that ends the answer's wrapping

    @property
    def answered(self) -> int:
        """Characters of the answer so far."""
        return self._answered + (0 if self._depth else self._position.length)

    def feed(self, text: str) -> list[Piece]:
        if self._channels is not None:
            return self._counted(self._channels.feed(text))
        if self.idle and not any(letter in text for letter in self.letters):
            self._position.advance(text)
            return [("answer", text)] if text else []
        self._held += text
        pieces = self._drain(last=False)
        busy = self._held or self._depth or self._strip or self._space or self._channels
        self.idle = self._last_kind == "answer" and not busy
        return pieces

    def close(self, *, cut: bool = False) -> list[Piece]:
        self._cut = cut
        pieces = self._drain(last=True)
        if self._channels is not None:
            return pieces + self._counted(self._channels.close())
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
                break  # what follows shows whether it is quoted
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
        self._searched = 0
        self._position.advance(text)
        if self._strip:
            text = text.lstrip()
        if not text:
            return
        self._strip = False
        text = self._space + text
        self._space = ""
        if self._depth or (self._last_kind is None and text.isspace()):
            body = text.rstrip()
            text, self._space = body, text[len(body) :]
        if text:
            pieces.append(self._piece(text))

    def _piece(self, text: str) -> Piece:
        kind = "thinking" if self._depth else "answer"
        if self._opened and self._last_kind == kind == "thinking":
            text = _BETWEEN_THOUGHTS + text
        self._opened = False
        self._last_kind = kind
        self.thought += len(text) if self._depth else 0
        return kind, text

    def _counted(self, pieces: list[Piece]) -> list[Piece]:
        """Add the channels' pieces to the counts."""
        self.thought += sum(len(text) for kind, text in pieces if kind == "thinking")
        self._answered += sum(len(text) for kind, text in pieces if kind == "answer")
        return pieces

    def _is_text(self, marker: str, *, last: bool) -> bool | None:
        """Whether a marker is text: mentioned, or senseless where it stands. None: more has to come first."""
        rules, position = self._rules, self._position
        if marker in rules.ends:
            return not self._depth
        if rules.prose and marker not in CHANNELS:
            return (
                self._depth == 0
                if marker in rules.closes
                else self._last_kind is not None or bool(self._depth)
            )
        if not self._depth and self._last_kind == "answer" and (marker in rules.opens or marker in CHANNELS):
            return self._in_answer(marker, last=last)
        before, after = position.last, self._held[len(marker) : len(marker) + 1]
        if quoted_both_sides(before, after):
            return True
        mentioned = before in (" ", "\t") and not position.blank and (not after or after in _AFTER_A_WORD)
        if self._depth and marker in rules.closes:
            return self._is_mentioned_close(marker, last=last)
        if self._depth:
            return mentioned if marker in rules.opens else True
        if marker == self._wrapped:
            return False
        if marker in self._wraps:
            return self._last_kind == "answer" or self._wrapped is not None
        if position.quoted:
            return True
        if marker in rules.closes:
            # after a thought has ended, one more close tag that isn't mentioned is the template's
            is_mention = mentioned or self._unclosed or not self.closed
            return (not position.blank and bool(is_mention)) or (self._begun and not self.closed)
        return mentioned if marker in rules.opens else True

    def _in_answer(self, marker: str, *, last: bool) -> bool | None:
        """Whether an open tag in the answer is text (see the module). None: more has to come first."""
        rules = self._rules
        if not self._searched and (verdict := self._by_neighbours(marker, last=last)) != "perhaps":
            return verdict
        for found in self._markers.pattern.finditer(self._held, max(len(marker), self._searched)):
            if found.group() not in rules.closes and found.group() not in rules.ends:
                continue
            before, after = self._held[: found.start()], self._held[found.end() :]
            if not after and not last:
                return None  # what follows shows whether it is quoted
            if quoted_both_sides(before[-1], after[:1]):
                continue
            if (mention := is_named(before[-_NEAR_CHARS:], after[:_NEAR_CHARS], last=last)) is not False:
                if mention is None:
                    return None
                continue
            return is_ellipsis(self._held[len(marker) : found.start()])
        self._searched = max(len(marker), len(self._held) - self._markers.longest)
        return not self._cut if last else None

    def _by_neighbours(self, marker: str, *, last: bool) -> bool | Literal["perhaps"] | None:
        """Whether an open tag in the answer is text, by what stands beside it. None: more has to come first."""
        position, rest = self._position, self._held[len(marker) :]
        if position.in_code:
            return True
        if (quoted := is_quoted(position, rest, self._rules.closes, last=last)) is not False:
            return quoted
        if not (may_be_word := in_sentence(position, self._held, len(marker), last=last)):
            return may_be_word
        if marker in CHANNELS or (mention := is_named(position.tail, rest, last=last)):
            return True
        return None if mention is None else "perhaps"

    def _is_mentioned_close(self, marker: str, *, last: bool) -> bool | None:
        """Whether a close tag inside a thought is a word of a sentence; where unclear, the next close tag decides.

        None: more has to come first.
        """
        if self._position.blank or self._position.last not in (" ", "\t", "("):
            return False
        held, rules = self._held, self._rules
        verdict = is_word(held, len(marker), last=last)
        if verdict in (None, "no") or (verdict == "surely" and not self._late):
            return None if verdict is None else verdict == "surely"
        at = max(len(marker), self._searched)
        while (found := self._markers.pattern.search(held, at)) is not None:
            before, at = held[found.start() - 1], found.end()
            if quoted_both_sides(before, held[at : at + 1]):
                continue
            verdict = is_word(held, at, last=last) if before in " \t(" else "no"
            if verdict == "no":
                return found.group() in rules.closes
            if verdict is None or (at == len(held) and not last):
                return None
        if last:
            return False
        self._searched = max(len(marker), len(held) - self._markers.longest)
        return None

    def _turn(self, marker: str, pieces: list[Piece]) -> None:
        """Apply a marker: open or close a thought, unwrap the answer, or go over to channels."""
        rules = self._rules
        self._searched = 0
        self._held = self._held[len(marker) :]
        if marker in CHANNELS and marker not in rules.opens:
            self._begin_section()
            self._channels, held, self._held = HarmonyParser(), self._held, ""
            pieces += self._counted(self._channels.feed(marker + held))
        elif marker in rules.opens:
            nested = self._depth and self._last_kind is not None
            if not nested:
                self._late = self._last_kind == "answer"
                self._spaced = not self._late or self._position.blank or self._position.last.isspace()
                self._begin_section()
            self._depth = self._depth + 1 if nested else 1
        elif marker in rules.closes:
            if self._depth > 1:
                self._depth -= 1
                return
            if self._depth or self._last_kind is None:
                self._begin_section()
                self._strip = self._spaced
            self._depth, self.closed = 0, True
        elif marker in rules.ends:
            self._begin_section()
            self._depth, self.closed = 0, True
            self._position.advance(marker)
            self._strip = False
            pieces.append(self._piece(marker))
        elif marker == self._wrapped:
            self._wrapped = ""
        else:
            self._wrapped = self._wraps[marker]
            self._begin_section()

    def _begin_section(self) -> None:
        """A thought or an answer begins."""
        self._answered = self.answered
        self._space = ""
        self._strip = True
        self._opened = True
        self._position = TextPosition(self.unread)


class MaybeThinkingParser:
    """Implements `ThinkParser` for a text that begins inside a thought, unless its server has removed that.

    All text is held until a close tag comes. Without one it was no thought.
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
        self.was_inside = self._parser.closed  # the close tag ended the text
        if self.was_inside:
            return self._pieces + pieces
        parser = TagParser(self._rules, begun=True)
        return parser.feed("".join(self._text)) + parser.close(cut=cut)


class StrippedHarmonyParser:
    """Implements `ThinkParser` for gpt-oss behind a server that strips harmony's marks but leaves channels' names."""

    OPEN, _CLOSE = "analysis", "assistantfinal"

    def __init__(self) -> None:
        rules = ThinkRules(opens=(self.OPEN,), closes=(self._CLOSE,), prose=True)
        self._parser = TagParser(rules, thinking=False)
        self.feed, self.close = self._parser.feed, self._parser.close

    @classmethod
    def begins(cls, text: str) -> bool:
        """Whether a text begins so: only a channel's name runs into the next word."""
        first = text.removeprefix(cls.OPEN)[:1]
        return text.startswith(cls.OPEN) and first.isalnum()


class _Markers(NamedTuple):
    """The markers that a text is searched for."""

    all: tuple[str, ...]
    letters: tuple[str, ...]
    """The first characters of all markers."""
    longest: int
    pattern: re.Pattern[str]


@lru_cache(maxsize=256)
def _markers(rules: ThinkRules, begun: bool = False) -> _Markers:
    """`begun`: the answer has begun, so harmony's channels may follow."""
    wraps = [marker for pair in rules.wraps for marker in pair]
    tags = (*rules.opens, *rules.closes, *rules.ends, *wraps)
    channels = [mark for mark in CHANNELS if begun and not any(mark in marker for marker in tags)]
    markers = (*tags, *channels)
    letters = tuple({marker[0] for marker in markers})
    pattern = re.compile("|".join(re.escape(marker) for marker in markers))
    return _Markers(markers, letters, max(map(len, markers)), pattern)


def partial_marker_length(markers: Iterable[str], text: str) -> int:
    """Characters at the end of `text` that may be the beginning of a marker."""
    return max([_overlap(text, marker) for marker in markers], default=0)


def _overlap(text: str, marker: str) -> int:
    start = text.find(marker[0], max(0, len(text) - len(marker) + 1))
    while start >= 0:
        if marker.startswith(text[start:]):
            return len(text) - start
        start = text.find(marker[0], start + 1)
    return 0
