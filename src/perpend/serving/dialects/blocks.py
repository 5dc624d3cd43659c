"""An answer as a sequence of blocks: the part that the dialects of Anthropic and OpenAI responses share.

`blocks_of` makes the blocks of a whole answer, `BlockStream` makes the same blocks from its events.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from msgspec import Struct

from perpend.serving import sse
from perpend.serving.dialects.provider_states import seal
from perpend.types import (
    Answer,
    AnswerDelta,
    AnswerLogprobs,
    Event,
    Finished,
    Progress,
    ProviderStateDelta,
    Started,
    SummaryDelta,
    Text,
    ThinkingDelta,
    Thought,
    TokenLogprob,
    ToolCallDelta,
    ToolUse,
    Visibility,
    logprobs_of,
)

Logprobs = tuple[TokenLogprob, ...]
Kind = Literal["thought", "text", "call", "provider_state"]


class Block(Struct):
    """One block of an answer: a thought, a text, a tool call or provider state."""

    kind: Kind
    text: str = ""
    """Thinking or its summary, text, or a call's arguments."""
    id: str = ""
    name: str = ""
    logprobs: Logprobs = ()
    """Log-probabilities of a text's tokens, where the request asks for them."""
    provider_state: str = ""
    """Sealed: the state that ends this thought, or the whole content of a block of kind `provider_state`."""


def blocks_of(answer: Answer, visibility: Visibility, thoughts: bool = True) -> list[Block]:
    """The blocks that a client with this visibility gets, with the provider state that it sends back next turn.

    Without `thoughts` there are no thinking blocks and no provider state except that of tool calls, which a tool loop
    needs. A summary takes the place of the first thought; the provider states of later thoughts become blocks.
    """
    blocks: list[Block] = []
    summary: Block | None = None
    logprobs = answer.logprobs
    for part in answer.content:
        if isinstance(part, Thought):
            if not thoughts:
                continue
            if part.text and visibility == "visible":
                provider_state = seal(part.provider_state, "thought") if part.provider_state else ""
                blocks.append(Block("thought", part.text, provider_state=provider_state))
                continue
            provider_state = seal(part.provider_state, "unshown") if part.provider_state else ""
            if part.text and visibility == "summary" and summary is None:
                summary = Block("thought", answer.summary, provider_state=provider_state)
                blocks.append(summary)
            elif provider_state:
                blocks.append(Block("provider_state", provider_state=provider_state))
        elif isinstance(part, Text):
            if part.text:
                of_text, logprobs = logprobs_of(part.text, logprobs)
                blocks.append(Block("text", part.text, logprobs=of_text))
            if part.provider_state and thoughts:
                blocks.append(Block("provider_state", provider_state=seal(part.provider_state, "text")))
        elif isinstance(part, ToolUse):
            blocks.append(Block("call", part.arguments, part.id, part.name))
            if part.provider_state:
                blocks.append(
                    Block("provider_state", provider_state=seal(part.provider_state, "tool_call", part.id))
                )
    return blocks


class Sent:
    """A block of a stream, and how much of it was sent."""

    __slots__ = ("block", "closed", "follows", "pieces", "size")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.pieces: list[str] = []
        self.size = 0
        self.closed = False
        self.follows = ""
        """A call's sealed provider state, which becomes the block after this one."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class BlockStream(ABC):
    """Renders one stream; a subclass renders the events of its dialect.

    Streams the first candidate as it comes, and at the end what the answer has beyond it. The opening event waits for
    the first block unless the stream is `eager`, so that an upstream's immediate refusal is still an HTTP error.
    """

    stream_only_codes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, visibility: Visibility, thoughts: bool = True) -> None:
        """See `blocks_of`."""
        self.done = False
        self.eager = False
        self._visibility: Visibility = visibility
        self._thoughts = thoughts
        self._started: Started | None = None
        self._sent: list[Sent] = []
        self._kind: Kind | None = None
        self._open: int | None = None
        self._summary: int | None = None
        self._summarised = False  # the current thought is the one that the summary replaces
        self._calls: dict[int, int] = {}

    @property
    def keep_alive(self) -> bytes:
        return sse.KEEP_ALIVE

    @abstractmethod
    def begin(self, started: Started) -> bytes:
        """The events that open the stream."""

    @abstractmethod
    def block_start(self, at: int, block: Block) -> bytes:
        """The events that open block number `at`."""

    @abstractmethod
    def block_delta(self, at: int, sent: Sent, text: str) -> bytes:
        """The events that add `text` to a block."""

    @abstractmethod
    def block_end(self, at: int, sent: Sent) -> bytes:
        """The events that close a block."""

    @abstractmethod
    def end(self, answer: Answer) -> bytes:
        """The events that end the stream."""

    def render(self, batch: Sequence[Event]) -> bytes:
        """The batch's bytes on the wire; empty when no event of it is for the client."""
        parts: list[bytes] = []
        for event in batch:
            if isinstance(event, ThinkingDelta):
                self._add_thinking(event.text, parts)
            elif isinstance(event, AnswerDelta):
                self._switch("text", parts)
                self._add_text("text", event.text, parts)
            elif isinstance(event, ToolCallDelta):
                self._call(event, parts)
            elif isinstance(event, ProviderStateDelta):
                self._provider_state(event, parts)
            elif isinstance(event, SummaryDelta):
                if self._summary is not None and event.text:
                    self._grow(self._summary, event.text, parts)
            elif isinstance(event, AnswerLogprobs):
                self._add_logprobs(tuple(event.tokens))
            elif isinstance(event, Progress):
                parts.append(sse.comment(b"progress", event))
            elif isinstance(event, Started):
                self._started = event
            elif isinstance(event, Finished):
                self._finish(event.answer, parts)
        if self._started is not None and (parts or self.eager):
            parts.insert(0, self.begin(self._started))
            self._started = None
        return b"".join(parts)

    def _add_logprobs(self, tokens: Logprobs) -> None:
        if self._kind == "text" and self._open is not None:
            self._sent[self._open].block.logprobs += tokens

    def _add_thinking(self, text: str, parts: list[bytes]) -> None:
        self._switch("thought", parts)
        if self._visibility == "visible":
            self._add_text("thought", text, parts)
        elif text and self._visibility == "summary" and self._summary is None:
            self._summary = self._start(Block("thought"), parts)
            self._summarised = True

    def _switch(self, kind: Kind, parts: list[bytes]) -> None:
        if kind != self._kind:
            self._close_open(parts)
            self._kind = kind
            self._summarised = False

    def _add_text(self, kind: Kind, text: str, parts: list[bytes]) -> None:
        if text:
            if self._open is None:
                self._open = self._start(Block(kind), parts)
            self._grow(self._open, text, parts)

    def _call(self, event: ToolCallDelta, parts: list[bytes]) -> None:
        at = self._calls.get(event.index)
        if at is None:
            self._close_open(parts)
            self._kind, self._summarised = "call", False
            at = self._open = self._calls[event.index] = self._start(
                Block("call", id=event.id, name=event.name), parts
            )
        if event.arguments:
            self._grow(at, event.arguments, parts)
        if event.provider_state is not None:
            self._sent[at].follows = seal(event.provider_state, "tool_call", self._sent[at].block.id)

    def _provider_state(self, event: ProviderStateDelta, parts: list[bytes]) -> None:
        self._switch(event.part, parts)
        if event.part == "text":
            self._close_open(parts)
            if self._thoughts:
                self._whole(Block("provider_state", provider_state=seal(event.provider_state, "text")), parts)
        elif self._open is not None:
            self._sent[self._open].block.provider_state = seal(event.provider_state, "thought")
            self._close_open(parts)
        elif self._summarised and self._summary is not None:
            self._sent[self._summary].block.provider_state = seal(event.provider_state, "unshown")
            self._summarised = False
        elif self._thoughts:
            self._whole(Block("provider_state", provider_state=seal(event.provider_state, "unshown")), parts)

    def _start(self, block: Block, parts: list[bytes]) -> int:
        self._sent.append(Sent(block))
        parts.append(self.block_start(len(self._sent) - 1, block))
        return len(self._sent) - 1

    def _grow(self, at: int, text: str, parts: list[bytes]) -> None:
        sent = self._sent[at]
        sent.pieces.append(text)
        sent.size += len(text)
        parts.append(self.block_delta(at, sent, text))

    def _close(self, at: int, parts: list[bytes]) -> None:
        sent = self._sent[at]
        if not sent.closed:
            sent.closed = True
            parts.append(self.block_end(at, sent))

    def _close_open(self, parts: list[bytes]) -> None:
        if self._open is None:
            return
        at, self._open = self._open, None
        self._close(at, parts)
        if follows := self._sent[at].follows:
            self._whole(Block("provider_state", provider_state=follows), parts)

    def _whole(self, block: Block, parts: list[bytes]) -> None:
        self._close(self._start(block, parts), parts)

    def _finish(self, answer: Answer, parts: list[bytes]) -> None:
        for at, block in enumerate(blocks_of(answer, self._visibility, self._thoughts)):
            if at == len(self._sent):
                self._start(
                    Block(block.kind, id=block.id, name=block.name, provider_state=block.provider_state),
                    parts,
                )
            sent = self._sent[at]
            if sent.closed:
                continue
            sent.block.provider_state, sent.block.logprobs = block.provider_state, block.logprobs
            if rest := block.text[sent.size :]:
                self._grow(at, rest, parts)
            self._close(at, parts)
        parts.append(self.end(answer))
        self.done = True
