"""What a candidate said, in order: texts joined, tool calls put together, what vendors want back in its place."""

from collections.abc import Iterable

from perpend.types import (
    AnswerDelta,
    Part,
    ProviderState,
    ProviderStateDelta,
    Text,
    ThinkingDelta,
    Thought,
    ToolCallDelta,
    ToolUse,
)

MessageEvent = ThinkingDelta | AnswerDelta | ToolCallDelta | ProviderStateDelta


def text_of(event: MessageEvent) -> str:
    """What of an event the model wrote itself."""
    if isinstance(event, ToolCallDelta):
        return event.name + event.arguments
    return "" if isinstance(event, ProviderStateDelta) else event.text


class MessageBuilder:
    """Keeps each event once; what is read of them is put together once, and goes on from there when more have come."""

    def __init__(self) -> None:
        self.events: list[MessageEvent] = []
        self._read = 0
        self._thinking: list[str] = []
        self._answer: list[str] = []
        self._answering = False

    def add(self, events: Iterable[MessageEvent]) -> None:
        self.events += events

    @property
    def empty(self) -> bool:
        return not self.events

    @property
    def thinking(self) -> str:
        self._read_on()
        return _joined(self._thinking)

    @property
    def answer(self) -> str:
        self._read_on()
        return _joined(self._answer)

    @property
    def answering(self) -> bool:
        """Some of the answer is here: text, or a tool call."""
        self._read_on()
        return self._answering

    @property
    def content(self) -> tuple[Part, ...]:
        parts = _Parts()
        for event in self.events:
            parts.take(event)
        parts.close()
        return tuple(call.use() if isinstance(call, _Call) else call for call in parts.closed)

    def _read_on(self) -> None:
        if self._read == len(self.events):
            return
        for event in self.events[self._read :]:
            if isinstance(event, ThinkingDelta):
                self._thinking.append(event.text)
            elif isinstance(event, AnswerDelta):
                self._answer.append(event.text)
                self._answering = True
            elif isinstance(event, ToolCallDelta):
                self._answering = True
        self._read = len(self.events)


def _joined(texts: list[str]) -> str:
    """Into one, which stays."""
    if len(texts) > 1:
        texts[:] = ["".join(texts)]
    return texts[0] if texts else ""


class _Call:
    """A tool call whose arguments may still grow."""

    def __init__(self) -> None:
        self._id = self._name = ""
        self._arguments: list[str] = []
        self._provider_state: ProviderState | None = None

    def take(self, event: ToolCallDelta) -> None:
        self._id = event.id or self._id
        self._name += event.name
        self._arguments.append(event.arguments)
        self._provider_state = event.provider_state or self._provider_state

    def use(self) -> ToolUse:
        return ToolUse(self._id, self._name, "".join(self._arguments), self._provider_state)


class _Parts:
    """Parts that are complete, and the texts of the one that is still open."""

    def __init__(self) -> None:
        self.closed: list[Part | _Call] = []
        self._open: type[Text | Thought] = Text
        self._texts: list[str] = []
        self._calls: dict[int, _Call] = {}

    def take(self, event: MessageEvent) -> None:
        if isinstance(event, ToolCallDelta):
            if event.index not in self._calls:
                self.close()
                self.closed.append(self._calls.setdefault(event.index, _Call()))
            self._calls[event.index].take(event)
        elif isinstance(event, ProviderStateDelta):
            kind = Thought if event.part == "thought" else Text
            if kind is not self._open:
                self.close()
            self._open = kind
            self.close(event.provider_state)
        else:
            kind = Thought if isinstance(event, ThinkingDelta) else Text
            if kind is not self._open:
                self.close()
                self._open = kind
            self._texts.append(event.text)

    def close(self, provider_state: ProviderState | None = None) -> None:
        if self._texts or provider_state is not None:
            self.closed.append(self._open("".join(self._texts), provider_state))
        self._texts = []
