"""What one response says, as events, on any wire: thoughts told apart from answers, tool calls put together.

Text is answer, unless it begins with the markers of a thought that no server took out, or inside of one. Where a
thought came in a field of its own, text is answer; a close tag that was left at its beginning goes. Once the answer
has begun, a thought between its markers is one wherever it comes (see `think`), but in an answer that is held to a
format.
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
"""No text has it."""


def _forget(splits: Splits) -> None:
    pass


class Speech:
    def __init__(
        self,
        call: Call,
        provider: Provider,
        learn: Callable[[Splits], None] | None = None,
        *,
        off: bool | None = None,
        held: bool = False,
        begun: bool = False,
        thinks_first: bool = False,
    ) -> None:
        """`learn` is told how the server splits off thinking, where this response shows it.

        `off`: thinking was switched off; None: where there is a knob for it, and the call has no tokens for it.
        `held`: the answer is held to a format, so nothing of a thought is in it. `begun`: the text goes on from an
        answer. `thinks_first`: a text that no thought precedes may be inside one, whatever the family's row says.
        """
        self.calls = CallPieces()
        self._letter = ""  # a text without it is answer, as it is; "": any has to be looked at
        self._unread: list[str] = []  # such texts, until there are many
        self.thinks = False
        """A thought in a field of its own is one, as it is."""
        self.turned = False
        """Nobody asked for thinking, and what came as a thought was the answer."""
        self._learn = learn or _forget
        rules = call.family.think or ThinkRules()
        self._harmony = rules.format == "harmony"
        self._rules = ThinkRules() if self._harmony else rules
        self._asked, self._provider, self._off, self._held = call, provider, off, held
        self._unasked = False
        self._unasked_thoughts: list[str] = []  # while nothing else has come
        self._waiting: list[CallEvent] = []  # what is to be sent back of them
        self._answered = False
        self._reasoned = False  # in a field of its own
        self._head: str | None = ""  # the answer's beginning, until it shows whether it is a thought
        self._parser: ThinkParser | None = None
        self._unsaid: list[TokenLogprob] = []  # of text that is held back
        self._tokens = 0  # of it
        self._thoughts = False  # of the text came since the last of them were told
        self._thought_chars = self._answer_chars = 0  # before the parser's own
        self._may_be_inside = False
        self._call = ""  # the id of one that is written in the text
        if begun:
            self._go_on(None)
        elif provider.splits == "never" and self._rules.begins == "thinking":
            self._go_on(think_parser(self._rules, thinking=False if held or self._is_off() else None))
        elif thinks_first or (provider.splits == "if_told" and self._rules.begins == "thinking"):
            self._may_be_inside = not self._harmony and not self._rules.prose and not self._is_off()

    @property
    def within(self) -> tuple[int, int]:
        """Characters of thoughts that came within the text, and of the answer."""
        if not isinstance(self._parser, TagParser):
            return self._thought_chars, self._answer_chars
        return self._thought_chars + self._parser.thought, self._answer_chars + self._parser.answered

    @property
    def _has_thoughts(self) -> bool:
        """Some came within the text."""
        parser = self._parser
        return bool(self._thought_chars or (isinstance(parser, TagParser) and parser.thought))

    def counted(self, usage: Usage) -> Usage:
        """What a server that splits off thoughts counts as such, with those that it left in the answer."""
        if self.turned:
            return replace(usage, thinking=0, answer=usage.output)
        if not (usage.thinking and self._reasoned and self._has_thoughts):
            return usage
        thought_chars, answer_chars = self.within
        left = usage.answer * thought_chars // (thought_chars + answer_chars)
        return replace(usage, thinking=usage.thinking + left, answer=usage.answer - left)

    def _is_off(self) -> bool:
        call = self._asked
        if self._off is None:
            self._off = call.may_ask and not call.thinking_tokens and can_disable(self._provider, call)
        return self._off

    def thought(self, text: str, batch: list[CallEvent], tokens: int = 0, *, beside: str = "") -> None:
        """From a field of its own. `beside`: the whole answer, whose beginning may be of the thought too."""
        if not self._reasoned:
            self._reason(batch, beside)
        if self._unasked and not self._answered and not self.calls.count:
            self._unasked_thoughts.append(text)
        else:
            append_text(batch, ThinkingDelta, text, tokens)

    def _reason(self, batch: list[CallEvent], beside: str) -> None:
        """The first thought in a field of its own."""
        if beside and thought_leaked(self._rules, beside):
            self._go_on(think_parser(self._rules, thinking=True))
        else:
            self._learn("always")
            if self._head != "":  # else nothing is held
                self._settle(batch)
            self._head, self._letter = "", ""
        self._reasoned, call = True, self._asked
        may_be_off = call.may_ask and call.family.can_disable
        wanted = call.thinking_tokens or call.effort != "none" or not may_be_off
        self._unasked = not wanted or self._is_off()
        self.thinks = not self._unasked

    def answer(self, text: str, batch: list[CallEvent], tokens: int = 0) -> None:
        if self._letter and self._letter not in text and len(self._unread) < MAX_UNREAD:  # nearly always
            self._unread.append(text)
            append_text(batch, AnswerDelta, text, tokens)
        elif not (self._unasked_thoughts and text.isspace()):
            self._answered = True
            self._release(batch)
            self._tokens += tokens
            self._begun(text, batch)
            self._look()

    def _begun(self, text: str, batch: list[CallEvent]) -> None:
        if self._head is not None:
            start = (self._head + text).lstrip()
            if self._undecided(start):
                self._head += text
                return
            text = self._head + text
            self._go_on(self._parser_of(start))
        self._parsed([("answer", text)] if self._parser is None else self._parser.feed(text), batch)

    def _go_on(self, parser: ThinkParser | None) -> None:
        """With what follows the beginning. None: it is the answer, or goes on from it."""
        self._thought_chars, self._answer_chars = self.within
        if parser is None and not self._held:
            parser = TagParser(self._rules, begun=True)
        self._head, self._parser = None, parser
        self._look()

    def _look(self) -> None:
        """What the next texts have to be looked at for."""
        parser = self._parser
        if self._head is None and parser is None:
            self._letter, self._unread = _NO_LETTER, []
        elif (
            self._head is None and isinstance(parser, TagParser) and parser.idle and len(parser.letters) == 1
        ):
            self._letter, self._unread = parser.letters[0], parser.unread
        else:
            self._letter = ""

    def call(
        self,
        batch: list[CallEvent],
        index: int | None,
        call_id: str,
        name: str,
        arguments: str,
        provider_state: ProviderState | None = None,
    ) -> None:
        """A piece of a tool call."""
        self._release(batch)
        self._settle(batch)
        batch += self.calls.add(index, call_id, name, arguments, provider_state)

    def add_provider_state(self, delta: ProviderStateDelta, batch: list[CallEvent]) -> None:
        """What a vendor wants back is of a thought, or a text, that is one."""
        if delta.part == "text":
            self._release(batch)
            self._settle(batch, over=False)
        (self._waiting if self._unasked_thoughts else batch).append(delta)

    def close(self, batch: list[CallEvent], *, ended: bool, cut: bool = False) -> None:
        """What was held back. `ended`: the server said all that it wanted to; `cut`: not all that it had to say."""
        if self._unasked_thoughts and ended and not self._answered and not self.calls.count:
            self.turned = True
            batch.append(AnswerDelta("".join(self._unasked_thoughts), 0))
            self._unasked_thoughts, self._waiting = [], []
        self._release(batch)
        self._settle(batch, cut=cut or not ended)
        batch += self.calls.rest(ended=ended)
        if self._unsaid and not self._thoughts:
            batch.append(AnswerLogprobs(self._unsaid))

    def add_logprobs(self, tokens: Iterable[TokenLogprob], batch: list[CallEvent]) -> None:
        """Of the text that came last: those of a thought are told to nobody, and those of held back text follow it."""
        self._unsaid += tokens
        last = batch[-1] if batch else None
        if self._thoughts or isinstance(last, ThinkingDelta):
            self._unsaid, self._thoughts = [], False
        elif isinstance(last, AnswerDelta) and (not isinstance(self._parser, TagParser) or self._parser.idle):
            batch.append(AnswerLogprobs(self._unsaid))
            self._unsaid = []

    def _undecided(self, start: str) -> bool:
        """More has to come before it shows what a text begins with."""
        if self._reasoned:
            marks = self._rules.closes
        else:
            marks = (
                *self._rules.opens,
                *CHANNELS,
                *((StrippedHarmonyParser.OPEN + "X",) if self._harmony else ()),
            )
        return not start or any(mark.startswith(start) and mark != start for mark in marks)

    def _parser_of(self, start: str) -> ThinkParser | None:
        """For a text that begins so; None: it is answer."""
        if self._reasoned:
            leaked = start.startswith(self._rules.closes)
            return think_parser(self._rules, thinking=True) if leaked else None
        if start.startswith(CHANNELS):
            return HarmonyParser()
        if start.startswith(self._rules.opens):
            return think_parser(self._rules, thinking=False)
        if self._harmony and StrippedHarmonyParser.begins(start):
            return StrippedHarmonyParser()
        return MaybeThinkingParser(self._rules) if self._may_be_inside else None

    def _release(self, batch: list[CallEvent]) -> None:
        """It was a thought: an answer, or a call, follows."""
        if self._unasked_thoughts:
            append_text(batch, ThinkingDelta, "".join(self._unasked_thoughts), 0)
            batch += self._waiting
            self._unasked_thoughts, self._waiting = [], []

    def _settle(self, batch: list[CallEvent], *, cut: bool = True, over: bool = True) -> None:
        """What was held back comes before what follows. `over`: a thought in the text is, whether it says so or not."""
        parser = self._parser
        if self._head is not None:
            self._parsed([("answer", self._head)] if self._head else [], batch)
            self._go_on(None)
        elif parser is not None and not (isinstance(parser, TagParser) and parser.idle):
            self._parsed(parser.close(cut=cut), batch)
            if isinstance(parser, MaybeThinkingParser) and parser.was_inside:
                self._learn("never")
            if over or not isinstance(parser, TagParser):
                self._go_on(None)

    def _parsed(self, pieces: list[Piece], batch: list[CallEvent]) -> None:
        for kind, text in pieces:
            if kind in ("thinking", "answer"):
                self._thoughts = self._thoughts or kind == "thinking"
                append_text(batch, ThinkingDelta if kind == "thinking" else AnswerDelta, text, self._tokens)
                self._tokens = 0
                continue
            name, arguments = (text, "") if kind == "tool" else ("", text)
            self._call = new_id("call") if name else self._call
            batch += self.calls.add(None, self._call, name, arguments)
