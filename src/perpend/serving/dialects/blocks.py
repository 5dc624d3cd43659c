"""An answer as blocks, one after the other: what the dialects of Anthropic and OpenAI responses have in common.

`blocks_of` makes them from a whole answer and `BlockStream` from its events; they are the same blocks.
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
    kind: Kind
    text: str = ""
    """Thinking or its summary, text, or a call's arguments."""
    id: str = ""
    name: str = ""
    logprobs: Logprobs = ()
    """Of a text's tokens, where they were asked for."""
    provider_state: str = ""
    """Sealed: what ends this thought, or all that a block of kind `provider_state` is."""


def blocks_of(answer: Answer, visibility: Visibility, thoughts: bool = True) -> list[Block]:
    """What a client with this visibility gets to see, and what it keeps for a vendor.

    Without `thoughts` neither is there but for what belongs to a tool call: no loop goes on without that.

    A summary stands where the first thought was; the provider state of other thoughts follows in its place.
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
                told, logprobs = logprobs_of(part.text, logprobs)
                blocks.append(Block("text", part.text, logprobs=told))
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
    """A block of a stream, as far as it was sent."""

    __slots__ = ("block", "closed", "follows", "pieces", "size")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.pieces: list[str] = []
        self.size = 0
        self.closed = False
        self.follows = ""
        """A call's provider state, sealed: the next block, once this one is closed."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class BlockStream(ABC):
    """Renders one stream; a dialect says what its events look like.

    Only the first candidate is streamed as it comes; what it lacks of the answer goes out at the end. The
    opening waits for the first block, unless a stream is `eager`: an upstream that refuses at once can still be
    answered with an error.
    """

    tells: ClassVar[frozenset[str]] = frozenset()

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
        self._summarised = False  # the thought under way is the one that the summary stands for
        self._calls: dict[int, int] = {}

    @property
    def keep_alive(self) -> bytes:
        return sse.KEEP_ALIVE

    @abstractmethod
    def begin(self, started: Started) -> bytes: ...

    @abstractmethod
    def opened(self, at: int, block: Block) -> bytes: ...

    @abstractmethod
    def grown(self, at: int, sent: Sent, text: str) -> bytes: ...

    @abstractmethod
    def closed(self, at: int, sent: Sent) -> bytes: ...

    @abstractmethod
    def end(self, answer: Answer) -> bytes: ...

    def render(self, batch: Sequence[Event]) -> bytes:
        """What the batch looks like on the wire; empty when nothing of it is for the client."""
        out: list[bytes] = []
        for event in batch:
            if isinstance(event, ThinkingDelta):
                self._think(event.text, out)
            elif isinstance(event, AnswerDelta):
                self._switch("text", out)
                self._say("text", event.text, out)
            elif isinstance(event, ToolCallDelta):
                self._call(event, out)
            elif isinstance(event, ProviderStateDelta):
                self._provider_state(event, out)
            elif isinstance(event, SummaryDelta):
                if self._summary is not None and event.text:
                    self._grow(self._summary, event.text, out)
            elif isinstance(event, AnswerLogprobs):
                self._weigh(tuple(event.tokens))
            elif isinstance(event, Progress):
                out.append(sse.comment(b"progress", event))
            elif isinstance(event, Started):
                self._started = event
            elif isinstance(event, Finished):
                self._finish(event.answer, out)
        if self._started is not None and (out or self.eager):
            out.insert(0, self.begin(self._started))
            self._started = None
        return b"".join(out)

    def _weigh(self, tokens: Logprobs) -> None:
        if self._kind == "text" and self._open is not None:
            self._sent[self._open].block.logprobs += tokens

    def _think(self, text: str, out: list[bytes]) -> None:
        self._switch("thought", out)
        if self._visibility == "visible":
            self._say("thought", text, out)
        elif text and self._visibility == "summary" and self._summary is None:
            self._summary = self._start(Block("thought"), out)
            self._summarised = True

    def _switch(self, kind: Kind, out: list[bytes]) -> None:
        if kind != self._kind:
            self._close_open(out)
            self._kind = kind
            self._summarised = False

    def _say(self, kind: Kind, text: str, out: list[bytes]) -> None:
        if text:
            if self._open is None:
                self._open = self._start(Block(kind), out)
            self._grow(self._open, text, out)

    def _call(self, event: ToolCallDelta, out: list[bytes]) -> None:
        at = self._calls.get(event.index)
        if at is None:
            self._close_open(out)
            self._kind, self._summarised = "call", False
            at = self._open = self._calls[event.index] = self._start(
                Block("call", id=event.id, name=event.name), out
            )
        if event.arguments:
            self._grow(at, event.arguments, out)
        if event.provider_state is not None:
            self._sent[at].follows = seal(event.provider_state, "tool_call", self._sent[at].block.id)

    def _provider_state(self, event: ProviderStateDelta, out: list[bytes]) -> None:
        self._switch(event.part, out)
        if event.part == "text":
            self._close_open(out)
            if self._thoughts:
                self._whole(Block("provider_state", provider_state=seal(event.provider_state, "text")), out)
        elif self._open is not None:
            self._sent[self._open].block.provider_state = seal(event.provider_state, "thought")
            self._close_open(out)
        elif self._summarised and self._summary is not None:
            self._sent[self._summary].block.provider_state = seal(event.provider_state, "unshown")
            self._summarised = False
        elif self._thoughts:
            self._whole(Block("provider_state", provider_state=seal(event.provider_state, "unshown")), out)

    def _start(self, block: Block, out: list[bytes]) -> int:
        self._sent.append(Sent(block))
        out.append(self.opened(len(self._sent) - 1, block))
        return len(self._sent) - 1

    def _grow(self, at: int, text: str, out: list[bytes]) -> None:
        sent = self._sent[at]
        sent.pieces.append(text)
        sent.size += len(text)
        out.append(self.grown(at, sent, text))

    def _close(self, at: int, out: list[bytes]) -> None:
        sent = self._sent[at]
        if not sent.closed:
            sent.closed = True
            out.append(self.closed(at, sent))

    def _close_open(self, out: list[bytes]) -> None:
        if self._open is None:
            return
        at, self._open = self._open, None
        self._close(at, out)
        if follows := self._sent[at].follows:
            self._whole(Block("provider_state", provider_state=follows), out)

    def _whole(self, block: Block, out: list[bytes]) -> None:
        self._close(self._start(block, out), out)

    def _finish(self, answer: Answer, out: list[bytes]) -> None:
        for at, block in enumerate(blocks_of(answer, self._visibility, self._thoughts)):
            if at == len(self._sent):
                self._start(
                    Block(block.kind, id=block.id, name=block.name, provider_state=block.provider_state), out
                )
            sent = self._sent[at]
            if sent.closed:
                continue
            sent.block.provider_state, sent.block.logprobs = block.provider_state, block.logprobs
            if rest := block.text[sent.size :]:
                self._grow(at, rest, out)
            self._close(at, out)
        out.append(self.end(answer))
        self.done = True
