"""The OpenAI chat wire, as a hundred servers speak it (API reference: chat/create, chat/streaming).

Always streamed upstream, whatever the client asked for: only a stream can be watched, cut at a
budget, and kept as the best answer so far when the upstream dies.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from perpend.backends.contract import Call, CallEvent, Upstream, append_text, backends
from perpend.backends.knobs import can_disable, knobs_set
from perpend.backends.openai_chat_events import (
    EVENTS,
    FAILURES,
    REASONS,
    CallPiece,
    ChatUsage,
    Choice,
    Chunk,
    Delta,
    Details,
    Event,
    Function,
    Logprobs,
    Reason,
    failure_of,
)
from perpend.backends.openai_chat_request import chat_body, chat_drawing, enforced_format
from perpend.backends.options import with_options
from perpend.backends.providers import Provider, Splits
from perpend.backends.reading import Reading, relay
from perpend.backends.refusals import failure, malformed
from perpend.backends.think import (
    PerhapsInside,
    Piece,
    ThinkParser,
    ThinkRules,
    think_parser,
    thought_leaked,
)
from perpend.errors import UpstreamError
from perpend.types import (
    AnswerDelta,
    CallEnded,
    Carried,
    Carry,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Weighed,
    new_id,
)


class OpenAIChat:
    continues = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._provider = upstream.provider
        """With what its answers have shown."""

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        body = with_options(chat_body(call, self._provider), call, self._provider)
        reading = ChatReading(call, self._provider, self._learn)
        return relay(self._upstream, "/chat/completions", body, reading)

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        return ChatReading(call, self._provider).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        return chat_drawing(call, self._provider).left_out

    def steers(self, call: Call) -> dict[str, Any]:
        return knobs_set(call, self._provider)

    async def count_input(self, call: Call) -> int | None:
        """The wire has no tokenizer to ask."""
        return None

    def _learn(self, splits: Splits) -> None:
        if self._upstream.provider.splits == "if_told":
            self._provider = replace(self._provider, splits=splits)


def _forget(splits: Splits) -> None:
    pass


class ChatReading(Reading[Event]):
    """Also what is held back of its text."""

    def __init__(self, call: Call, provider: Provider, learn: Callable[[Splits], None] = _forget) -> None:
        """`learn` is told how the server splits off thinking, where this response shows it."""
        super().__init__(provider.name, EVENTS)
        self._learn = learn
        self._call = call
        self._provider = provider
        self._rules = call.family.think or ThinkRules()
        self._reason: Reason | None = None
        self._model: str | None = None
        self._weighs = bool(call.weighs) or call.logprobs is not None
        self._weighed: dict[str, float] | None = None
        self._unsaid: list[TokenLogprob] = []  # of text that is held back
        self._usage: ChatUsage | None = None
        self._counted = self._thought = 0  # tokens so far, by a server that counts as it goes
        self._step = 0  # those of the event at hand
        self._refused = False
        self._details = Details()
        self._tools: dict[object, int] = {}
        self._tool_id: dict[object, str] = {}
        self._tool_key: object = 0
        self._reasoned = False  # in a field of its own
        self._head: str | None = ""  # the answer's beginning, until it shows whether it is a thought
        self._parser: ThinkParser | None = None
        self._may_be_inside = False
        if provider.splits != "always" and (
            self._rules.begins == "thinking" or self._rules.format == "harmony"
        ):
            self._begin(call, provider)

    def _begin(self, call: Call, provider: Provider) -> None:
        """How the text begins, where the server may leave a thought in it."""
        thinks = call.thinking_tokens > 0 or not can_disable(provider, call.family, call.model)
        if provider.splits == "never":
            held = enforced_format(call, provider) is not None
            self._head = None
            self._parser = think_parser(self._rules, thinking=None if thinks and not held else False)
        else:
            self._may_be_inside = thinks and self._rules.begins == "thinking"

    def take(self, event: Event, batch: list[CallEvent]) -> None:
        so_far = None
        if event.usage is not None:
            self._usage = event.usage
            so_far = event.usage.completion_tokens
        elif event.timings is not None:
            so_far = event.timings.predicted_n
        elif event.x_groq is not None and event.x_groq.usage is not None:
            self._usage = event.x_groq.usage
        self._step = 0
        if so_far:
            # a count beside the end is the whole stream's, and says nothing of the text beside it
            if event.choices and event.choices[0].finish_reason is None:
                self._step = max(0, so_far - self._counted)
            self._counted = so_far
        self._model = event.model or self._model
        if event.choices:
            choice = event.choices[0]
            if choice.delta is not None:
                self._take(choice.delta, batch)
            if self._weighs and choice.logprobs:
                self._weigh(choice.logprobs, choice.delta, batch)
            if choice.finish_reason is not None:
                self._end(choice)
        if event.error is not None or event.choices is None:
            self.failure = failure_of(event, streamed=True) or self.failure

    def whole(self, body: bytes) -> list[CallEvent]:
        """The events of a response that wasn't streamed. Raises UpstreamError."""
        try:
            event = EVENTS.one.decode(body)
        except ValueError as error:
            raise malformed("the server", error) from error
        if (failed := failure_of(event, streamed=False)) is not None:
            raise failed
        choices = event.choices or event.outputs
        if not choices:
            raise UpstreamError("the server's response holds no choice")
        batch: list[CallEvent] = []
        choice = choices[0]
        self._usage, self._model = event.usage, event.model
        message = choice.message or choice.delta or Delta()
        thought = message.reasoning_content or message.reasoning
        if thought and isinstance(message.content, str) and thought_leaked(self._rules, message.content):
            self._head, self._parser = None, think_parser(self._rules, thinking=True)
        self._take(message, batch, leaked=self._parser is not None)
        if self._weighs and choice.logprobs:
            self._weigh(choice.logprobs, message, batch)
        self._end(choice)
        if self.failure is not None:
            raise self.failure
        return [*batch, *self.rest(), self.ended(self._origin)]

    def rest(self) -> list[CallEvent]:
        batch: list[CallEvent] = []
        self._settle(batch)
        if self._unsaid:
            batch.append(Weighed(self._unsaid))
        return batch

    def end(self) -> CallEnded | None:
        if self._reason is None:
            return None
        counts = self._usage and self._usage.counts(self._provider.thinking_in_output)
        if counts is not None and not counts.thinking and self._thought < counts.answer:
            counts = replace(counts, thinking=self._thought, answer=counts.answer - self._thought)
        reason = self._reason
        if reason == "stop":
            reason = "tool_calls" if self._tools else "content_filter" if self._refused else "stop"
        return CallEnded(reason, counts, self._model, weighed=self._weighed)

    def _weigh(self, told: Any, delta: Delta | None, batch: list[CallEvent]) -> None:
        """Those of a thought are told to nobody, and those of held back text follow it."""
        logprobs = msgspec.convert(told, Logprobs)
        if not logprobs.content:
            return
        if self._weighed is None and self._call.weighs:
            likeliest = logprobs.content[0].top_logprobs or ()
            self._weighed = {one.token: one.logprob for one in likeliest}
        if (most := self._call.logprobs) is None or delta is None or not delta.content:
            return
        self._unsaid += logprobs.tokens(most)
        if batch and isinstance(batch[-1], AnswerDelta):
            batch.append(Weighed(self._unsaid))
            self._unsaid = []
        elif batch and isinstance(batch[-1], ThinkingDelta):
            self._unsaid = []

    def _end(self, choice: Choice) -> None:
        word = choice.finish_reason or "stop"
        if word in FAILURES:
            self.failure = self.failure or failure("the server failed in the middle", word)
        self._reason = REASONS.get(word, "stop")
        if self._reason == "stop" and choice.stop_reason in self._call.sampling.stop:
            self._reason = "stop_sequence"

    def _take(self, delta: Delta, batch: list[CallEvent], *, leaked: bool = False) -> None:
        thinking = delta.reasoning_content or delta.reasoning
        if delta.reasoning_details:
            said = self._details.take(delta.reasoning_details)
            thinking = thinking or said
        if thinking:
            if not self._reasoned and not leaked:
                self._reasoned = True
                self._learn("always")
                self._settle(batch)
            append_text(batch, ThinkingDelta, thinking, self._step)
            self._thought += self._step
        if delta.reasoning_details and (data := self._details.carry()) is not None:
            batch.append(Carried(Carry(self._provider.name, data)))
        content = delta.content
        if content:
            if self._head is None and self._parser is None and isinstance(content, str):  # nearly always
                append_text(batch, AnswerDelta, content, self._step)
            else:
                self._content(content, batch)
        if delta.refusal:
            self._refused = True
            append_text(batch, AnswerDelta, delta.refusal, 0)
        if delta.tool_calls:
            self._settle(batch)
            for piece in delta.tool_calls:
                batch.append(self._tool(piece))

    def _content(self, content: str | list[Chunk], batch: list[CallEvent]) -> None:
        if isinstance(content, str):
            self._text(content, batch)
            return
        for chunk in content:
            if chunk.type == "thinking":
                if thought := chunk.thought:
                    self._reasoned = True
                    append_text(batch, ThinkingDelta, thought, 0)
            elif chunk.text:
                self._text(chunk.text, batch)

    def _text(self, text: str, batch: list[CallEvent]) -> None:
        """Text is answer, unless it begins with a think tag that no server took out, or inside of a thought."""
        if self._parser is None:
            if self._head is None or self._reasoned:
                append_text(batch, AnswerDelta, text, 0)
                return
            self._head += text
            start = self._head.lstrip()
            opens = self._rules.opens
            if not start or any(tag.startswith(start) and tag != start for tag in opens):
                return
            text, self._head = self._head, None
            if start.startswith(opens):
                self._parser = think_parser(self._rules, thinking=False)
            elif self._may_be_inside:
                self._parser = PerhapsInside(self._rules)
            else:
                append_text(batch, AnswerDelta, text, 0)
                return
        self._parsed(self._parser.feed(text), batch)

    def _settle(self, batch: list[CallEvent]) -> None:
        """What was held back comes before what follows."""
        if self._head:
            append_text(batch, AnswerDelta, self._head, 0)
        if self._parser is not None:
            self._parsed(self._parser.close(), batch)
            if isinstance(self._parser, PerhapsInside) and self._parser.was_inside:
                self._learn("never")
            self._parser = None
        self._head = None

    def _parsed(self, pieces: list[Piece], batch: list[CallEvent]) -> None:
        for kind, text in pieces:
            if kind == "tool":
                self._tool_key = new_id("call")
                named = CallPiece(id=str(self._tool_key), function=Function(name=text))
                batch.append(self._tool(named))
            elif kind == "arguments":
                batch.append(self._tool(CallPiece(function=Function(arguments=text))))
            else:
                append_text(batch, ThinkingDelta if kind == "thinking" else AnswerDelta, text, 0)

    def _tool(self, piece: CallPiece) -> ToolCallDelta:
        """Numbered as they come: servers leave out the index, or give all calls the same one."""
        key = self._tool_key if piece.index is None else piece.index
        if piece.id and self._tool_id.get(key, piece.id if piece.index is not None else "") != piece.id:
            key = piece.id
        self._tool_key = key
        function = piece.function
        arguments = function.json if function else ""
        if key in self._tools:
            return ToolCallDelta(self._tools[key], arguments=arguments)
        self._tools[key] = len(self._tools)
        self._tool_id[key] = piece.id or new_id("call")
        name = (function and function.name) or ""
        return ToolCallDelta(self._tools[key], self._tool_id[key], name, arguments)


backends.register("openai_chat")(OpenAIChat)
