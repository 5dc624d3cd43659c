"""Turns one response's text into events, on any wire: separates thoughts from answers, and joins tool calls.

Text is answer unless it begins with a thought's markers, or inside a thought, which its server left in. After a thought
in a field of its own, text is answer, and a close tag at its beginning is dropped. Within an answer, text between
markers is a thought (see `think_tags`), except in an answer that is constrained to a format.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from perpend.backends.call_pieces import CallPieces
from perpend.backends.contract import Call, CallEvent, append_text
from perpend.backends.thinking_params import can_disable
from perpend.families.harmony import CHANNELS, HarmonyParser, Piece
from perpend.families.text_position import MAX_UNREAD
from perpend.families.think_tags import (
    MaybeThinkingParser,
    StrippedHarmonyParser,
    TagParser,
    ThinkParser,
    ThinkRules,
    think_parser,
    thought_leaked,
)
from perpend.providers.provider import Provider, Splits
from perpend.types import (
    AnswerDelta,
    AnswerLogprobs,
    ProviderState,
    ProviderStateDelta,
    ThinkingDelta,
    TokenLogprob,
    Usage,
    new_id,
)

_NO_LETTER = "\uffff"
"""A character that no text has."""


def _ignore(splits: Splits) -> None:
    pass


class Speech:
    """The thoughts, answer and tool calls of one response."""

    def __init__(
        self,
        call: Call,
        provider: Provider,
        learn: Callable[[Splits], None] | None = None,
        *,
        thinking_off: bool | None = None,
        constrained: bool = False,
        in_answer: bool = False,
        thinks_first: bool = False,
    ) -> None:
        """`learn` is called with how the server separates thinking, where this response shows it.

        `thinking_off`: thinking is disabled; None: if a knob can disable it, and the call has no tokens for it.
        `constrained`: the answer is held to a format, so it contains no thought. `in_answer`: the text continues an
        answer. `thinks_first`: a text that no thought precedes may be inside one, whatever the family's row says.
        """
        self.calls = CallPieces()
        self._marker_letter = ""  # a text without it is answer, as it is; "": any has to be looked at
        self._unparsed: list[str] = []  # such texts, until there are many
        self.thinks = False
        """Thoughts in a field of their own are passed on unchanged."""
        self.thought_is_answer = False
        """Thinking wasn't requested, and the answer came in the thought's field."""
        self._learn = learn or _ignore
        rules = call.family.think or ThinkRules()
        self._harmony = rules.format == "harmony"
        self._rules = ThinkRules() if self._harmony else rules
        self._request, self._provider, self._thinking_off, self._constrained = (
            call,
            provider,
            thinking_off,
            constrained,
        )
        self._unrequested = False
        self._unrequested_thoughts: list[str] = []  # while nothing else has come
        self._waiting_states: list[CallEvent] = []  # what is to be sent back of them
        self._answered = False
        self._separate_thought = False  # in a field of its own
        self._head: str | None = ""  # the answer's beginning, until it shows whether it is a thought
        self._parser: ThinkParser | None = None
        self._pending_logprobs: list[TokenLogprob] = []  # of text that is held back
        self._pending_tokens = 0  # of it
        self._thought_came = False  # of the text came since the last of them were told
        self._thought_chars = self._answer_chars = 0  # before the parser's own
        self._may_be_inside = False
        self._text_call_id = ""  # the id of one that is written in the text
        if in_answer:
            self._continue_with(None)
        elif provider.splits == "never" and self._rules.begins == "thinking":
            self._continue_with(
                think_parser(self._rules, thinking=False if constrained or self._is_thinking_off() else None)
            )
        elif thinks_first or (provider.splits == "if_told" and self._rules.begins == "thinking"):
            self._may_be_inside = not self._harmony and not self._rules.prose and not self._is_thinking_off()

    @property
    def within(self) -> tuple[int, int]:
        """Characters of thoughts within the text, and of the answer."""
        if not isinstance(self._parser, TagParser):
            return self._thought_chars, self._answer_chars
        return self._thought_chars + self._parser.thought, self._answer_chars + self._parser.answered

    @property
    def _has_thoughts(self) -> bool:
        """Some came within the text."""
        parser = self._parser
        return bool(self._thought_chars or (isinstance(parser, TagParser) and parser.thought))

    def counted(self, usage: Usage) -> Usage:
        """The server's counts, with the thoughts that it left in the answer counted as thinking."""
        if self.thought_is_answer:
            return replace(usage, thinking=0, answer=usage.output)
        if not (usage.thinking and self._separate_thought and self._has_thoughts):
            return usage
        thought_chars, answer_chars = self.within
        leaked = usage.answer * thought_chars // (thought_chars + answer_chars)
        return replace(usage, thinking=usage.thinking + leaked, answer=usage.answer - leaked)

    def _is_thinking_off(self) -> bool:
        call = self._request
        if self._thinking_off is None:
            self._thinking_off = (
                call.may_ask and not call.thinking_tokens and can_disable(self._provider, call)
            )
        return self._thinking_off

    def thought(self, text: str, batch: list[CallEvent], tokens: int = 0, *, answer: str = "") -> None:
        """Adds a thought from its own field. `answer`: the whole answer, which may begin inside the thought."""
        if not self._separate_thought:
            self._begin_separate_thought(batch, answer)
        if self._unrequested and not self._answered and not self.calls.count:
            self._unrequested_thoughts.append(text)
        else:
            append_text(batch, ThinkingDelta, text, tokens)

    def _begin_separate_thought(self, batch: list[CallEvent], answer: str) -> None:
        """Handles the first thought in a field of its own."""
        if answer and thought_leaked(self._rules, answer):
            self._continue_with(think_parser(self._rules, thinking=True))
        else:
            self._learn("always")
            if self._head != "":  # else nothing is held
                self._flush(batch)
            self._head, self._marker_letter = "", ""
        self._separate_thought, call = True, self._request
        can_be_off = call.may_ask and call.family.can_disable
        requested = call.thinking_tokens or call.effort != "none" or not can_be_off
        self._unrequested = not requested or self._is_thinking_off()
        self.thinks = not self._unrequested

    def answer(self, text: str, batch: list[CallEvent], tokens: int = 0) -> None:
        if (
            self._marker_letter and self._marker_letter not in text and len(self._unparsed) < MAX_UNREAD
        ):  # nearly always
            self._unparsed.append(text)
            append_text(batch, AnswerDelta, text, tokens)
        elif not (self._unrequested_thoughts and text.isspace()):
            self._answered = True
            self._release_thoughts(batch)
            self._pending_tokens += tokens
            self._add_to_head(text, batch)
            self._set_fast_path()

    def _add_to_head(self, text: str, batch: list[CallEvent]) -> None:
        if self._head is not None:
            start = (self._head + text).lstrip()
            if self._undecided(start):
                self._head += text
                return
            text = self._head + text
            self._continue_with(self._parser_of(start))
        self._add_pieces([("answer", text)] if self._parser is None else self._parser.feed(text), batch)

    def _continue_with(self, parser: ThinkParser | None) -> None:
        """Sets the parser of the text after its beginning; None: all of it is answer."""
        self._thought_chars, self._answer_chars = self.within
        if parser is None and not self._constrained:
            parser = TagParser(self._rules, begun=True)
        self._head, self._parser = None, parser
        self._set_fast_path()

    def _set_fast_path(self) -> None:
        """Finds out whether the next texts can be passed on without parsing, and at which character not."""
        parser = self._parser
        if self._head is None and parser is None:
            self._marker_letter, self._unparsed = _NO_LETTER, []
        elif (
            self._head is None and isinstance(parser, TagParser) and parser.idle and len(parser.letters) == 1
        ):
            self._marker_letter, self._unparsed = parser.letters[0], parser.unread
        else:
            self._marker_letter = ""

    def call(
        self,
        batch: list[CallEvent],
        index: int | None,
        call_id: str,
        name: str,
        arguments: str,
        provider_state: ProviderState | None = None,
    ) -> None:
        """Adds a piece of a tool call."""
        self._release_thoughts(batch)
        self._flush(batch)
        batch += self.calls.add(index, call_id, name, arguments, provider_state)

    def add_provider_state(self, delta: ProviderStateDelta, batch: list[CallEvent]) -> None:
        """Adds state that a vendor wants back with a thought or a text, which isn't an answer's beginning then."""
        if delta.part == "text":
            self._release_thoughts(batch)
            self._flush(batch, ends_thought=False)
        (self._waiting_states if self._unrequested_thoughts else batch).append(delta)

    def close(self, batch: list[CallEvent], *, ended: bool, cut: bool = False) -> None:
        """Adds the held events. `ended`: the response is complete; `cut`: at the token limit."""
        if self._unrequested_thoughts and ended and not self._answered and not self.calls.count:
            self.thought_is_answer = True
            batch.append(AnswerDelta("".join(self._unrequested_thoughts), 0))
            self._unrequested_thoughts, self._waiting_states = [], []
        self._release_thoughts(batch)
        self._flush(batch, cut=cut or not ended)
        batch += self.calls.rest(ended=ended)
        if self._pending_logprobs and not self._thought_came:
            batch.append(AnswerLogprobs(self._pending_logprobs))

    def add_logprobs(self, tokens: Iterable[TokenLogprob], batch: list[CallEvent]) -> None:
        """Adds log-probabilities of the last text: a thought's are dropped, held text's are held with it."""
        self._pending_logprobs += tokens
        last = batch[-1] if batch else None
        if self._thought_came or isinstance(last, ThinkingDelta):
            self._pending_logprobs, self._thought_came = [], False
        elif isinstance(last, AnswerDelta) and (not isinstance(self._parser, TagParser) or self._parser.idle):
            batch.append(AnswerLogprobs(self._pending_logprobs))
            self._pending_logprobs = []

    def _undecided(self, start: str) -> bool:
        """Whether more text is needed to know what it begins with."""
        if self._separate_thought:
            markers = self._rules.closes
        else:
            markers = (
                *self._rules.opens,
                *CHANNELS,
                *((StrippedHarmonyParser.OPEN + "X",) if self._harmony else ()),
            )
        return not start or any(mark.startswith(start) and mark != start for mark in markers)

    def _parser_of(self, start: str) -> ThinkParser | None:
        """The parser of a text with this beginning; None: it is answer."""
        if self._separate_thought:
            leaked = start.startswith(self._rules.closes)
            return think_parser(self._rules, thinking=True) if leaked else None
        if start.startswith(CHANNELS):
            return HarmonyParser()
        if start.startswith(self._rules.opens):
            return think_parser(self._rules, thinking=False)
        if self._harmony and StrippedHarmonyParser.begins(start):
            return StrippedHarmonyParser()
        return MaybeThinkingParser(self._rules) if self._may_be_inside else None

    def _release_thoughts(self, batch: list[CallEvent]) -> None:
        """Adds held thoughts, now that an answer or a call follows."""
        if self._unrequested_thoughts:
            append_text(batch, ThinkingDelta, "".join(self._unrequested_thoughts), 0)
            batch += self._waiting_states
            self._unrequested_thoughts, self._waiting_states = [], []

    def _flush(self, batch: list[CallEvent], *, cut: bool = True, ends_thought: bool = True) -> None:
        """Adds held text before what follows. `ends_thought`: an open thought in the text ends here."""
        parser = self._parser
        if self._head is not None:
            self._add_pieces([("answer", self._head)] if self._head else [], batch)
            self._continue_with(None)
        elif parser is not None and not (isinstance(parser, TagParser) and parser.idle):
            self._add_pieces(parser.close(cut=cut), batch)
            if isinstance(parser, MaybeThinkingParser) and parser.was_inside:
                self._learn("never")
            if ends_thought or not isinstance(parser, TagParser):
                self._continue_with(None)

    def _add_pieces(self, pieces: list[Piece], batch: list[CallEvent]) -> None:
        for kind, text in pieces:
            if kind in ("thinking", "answer"):
                self._thought_came = self._thought_came or kind == "thinking"
                append_text(
                    batch, ThinkingDelta if kind == "thinking" else AnswerDelta, text, self._pending_tokens
                )
                self._pending_tokens = 0
                continue
            name, arguments = (text, "") if kind == "tool" else ("", text)
            self._text_call_id = new_id("call") if name else self._text_call_id
            batch += self.calls.add(None, self._text_call_id, name, arguments)
