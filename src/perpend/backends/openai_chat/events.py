"""What comes on the OpenAI chat wire, read leniently: thinking in any of its places, tool calls, counts.

Reference: https://platform.openai.com/docs/api-reference/chat-streaming, and the other servers' own beside it.
"""

from typing import Any

import msgspec
from msgspec import Struct

from perpend.backends.body import JSONObject
from perpend.backends.lenient import Lenient, text_in
from perpend.backends.reasons import end_word
from perpend.backends.stream_decoder import Decoders
from perpend.errors import UpstreamError
from perpend.transport.failures import failure, says
from perpend.types import TokenLogprob, TopLogprob, Usage

THOUGHTS = ("thinking", "reasoning", "thought", "summary")
"""What the type of a part says, where its text is thought."""


class TokenDetails(Struct):
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class UpstreamUsage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    completion_tokens_details: TokenDetails | None = None
    prompt_tokens_details: TokenDetails | None = None
    reasoning_tokens: int | None = None
    """SGLang."""
    cached_tokens: int | None = None
    """Moonshot."""
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek."""
    cached_prompt_text_tokens: int | None = None
    """xAI's gRPC."""

    def counts(self, thinking_in_output: bool) -> Usage:
        output, prompt_details = self.completion_tokens_details, self.prompt_tokens_details
        thinking = (output and output.reasoning_tokens) or self.reasoning_tokens or 0
        cached = (
            (prompt_details and prompt_details.cached_tokens)
            or self.cached_tokens
            or self.prompt_cache_hit_tokens
        )
        cached = cached or self.cached_prompt_text_tokens or 0
        answer = self.completion_tokens or 0
        if thinking_in_output:
            thinking = min(thinking, answer)  # OpenRouter was seen to count 11 of 10
            answer -= thinking
        return Usage(self.prompt_tokens or 0, cached, thinking, answer)


class TextPiece(Struct):
    """A piece of text inside a chunk of content."""

    text: str = ""


class Chunk(Struct):
    """Mistral, Databricks, Cohere: content as a list, with thinking in some of its chunks."""

    type: str = "text"
    text: str | None = None
    thinking: list[TextPiece] | str | None = None
    summary: list[TextPiece] | str | None = None
    reasoning: list[TextPiece] | str | None = None
    reasoning_content: list[TextPiece] | str | None = None
    content: list[TextPiece] | str | None = None

    @property
    def thought_and_text(self) -> tuple[str, str]:
        """Its thought and its text."""
        thought = _joined(self.thinking or self.summary or self.reasoning or self.reasoning_content)
        text = self.text or _joined(self.content)
        if text and any(kind in self.type for kind in THOUGHTS):
            return thought or text, ""
        return thought, text


def _joined(pieces: list[TextPiece] | str | None) -> str:
    return "".join([piece.text for piece in pieces]) if isinstance(pieces, list) else pieces or ""


class CalledFunction(Struct):
    name: str | None = None
    arguments: str | JSONObject | None = None

    @property
    def json(self) -> str:
        if isinstance(self.arguments, dict):
            return msgspec.json.encode(self.arguments).decode()
        return self.arguments or ""


class CallPiece(Struct):
    index: int | None = None
    id: str | None = None
    function: CalledFunction | None = None


class UpstreamDelta(Struct, gc=False):
    content: str | list[Chunk] | None = None
    reasoning_content: str | None = None
    """Thinking, in whatever field a server puts it; so are the next five."""
    reasoning: str | None = None
    reasoning_text: str | None = None
    thinking: str | None = None
    summary: Any = None
    """Or one of a thought; parts of either in any shape, here and in the next."""
    thinking_blocks: Any = None
    """LiteLLM, beside one of the others."""
    reasoning_details: list[JSONObject] | None = None
    tool_calls: list[CallPiece] | None = None
    function_call: CalledFunction | None = None
    """Of servers that know no other calls."""
    refusal: str | None = None

    @property
    def parts_of_thought(self) -> str:
        return text_in(self.summary or self.thinking_blocks)


class Position(Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: tuple[int, ...] | None = None
    top_logprobs: tuple[TopLogprob, ...] | None = None


class Logprobs(Struct):
    content: list[Position] | None = None

    def tokens(self, count: int) -> list[TokenLogprob]:
        """`count`: how many alternatives of each token are kept."""
        return [
            TokenLogprob(
                token=position.token,
                logprob=position.logprob,
                bytes=position.bytes,
                top_logprobs=(position.top_logprobs or ())[:count],
            )
            for position in self.content or ()
        ]


class UpstreamChoice(Struct, gc=False):
    delta: UpstreamDelta | None = None
    message: UpstreamDelta | None = None
    """Of a response that wasn't streamed."""
    finish_reason: str | None = None
    finish: str | None = msgspec.field(default=None, name="finishReason")
    stop_reason: str | int | None = None
    """vLLM: the stop string that matched."""
    logprobs: Any = None
    """`Logprobs`, read only where they were asked for: servers send all kinds of things in it."""

    @property
    def ended(self) -> str | None:
        """Why it did; None: it goes on."""
        return end_word(self.finish_reason) or end_word(self.finish)


class Timings(Struct):
    """llama.cpp."""

    predicted_n: int | None = None
    """Tokens so far."""


class Groq(Struct):
    usage: UpstreamUsage | None = None


class UpstreamChunk(Struct, gc=False):
    choices: list[UpstreamChoice] | None = None
    outputs: list[UpstreamChoice] | None = None
    """xAI's gRPC, where its messages are written as JSON."""
    usage: UpstreamUsage | None = None
    model: str | None = None
    error: Any = None
    x_groq: Groq | None = None
    timings: Timings | None = None
    message: str | None = None
    """Of an error without an envelope."""
    code: str | int | None = None


def joined(events: list[UpstreamChunk]) -> list[UpstreamChunk]:
    """Events in a row that say no more than a piece of one text, as one: to take each costs more than it says.

    None begins with white space: before an answer that may be dropped.
    """
    kept: list[UpstreamChunk] = []
    thought: bool | None = None  # whether `texts` are; None: the last event that is kept is taken as it is
    texts: list[str] = []
    for event in events:
        said = _text_alone(event)
        if said is not None and said[0] is thought:
            texts.append(said[1])
            continue
        if thought is not None:
            _say(kept[-1], "".join(texts), thought=thought)
        kept.append(event)
        thought = None
        if said is not None and not said[1].isspace():
            thought, texts = said[0], [said[1]]
    if thought is not None:
        _say(kept[-1], "".join(texts), thought=thought)
    return kept


def _text_alone(event: UpstreamChunk) -> tuple[bool, str] | None:
    """Whether it's a thought, and its text, where it says nothing else."""
    choices = event.choices
    if (
        choices
        and event.usage is None
        and event.timings is None
        and event.x_groq is None
        and event.error is None
        and (choice := choices[0]).finish_reason is None
        and choice.finish is None
        and choice.logprobs is None
        and (delta := choice.delta) is not None
        and delta.reasoning is None
        and delta.reasoning_text is None
        and delta.thinking is None
        and delta.summary is None
        and delta.thinking_blocks is None
        and delta.reasoning_details is None
        and delta.tool_calls is None
        and delta.function_call is None
        and delta.refusal is None
    ):
        content, thinking = delta.content, delta.reasoning_content
        if not content:
            return (True, thinking) if thinking else None
        if not thinking and isinstance(content, str):
            return False, content
    return None


def _say(event: UpstreamChunk, text: str, *, thought: bool) -> None:
    if event.choices and (delta := event.choices[0].delta) is not None:
        if thought:
            delta.reasoning_content = text
        else:
            delta.content = text


class Details:
    """OpenRouter's `reasoning_details`, put together again from their pieces, to be sent back whole."""

    def __init__(self) -> None:
        self._items: dict[tuple[Any, Any], JSONObject] = {}

    def take(self, pieces: list[JSONObject]) -> str:
        """Adds them; returns the text in them."""
        text = ""
        for piece in pieces:
            item = self._items.setdefault((piece.get("index"), piece.get("type")), {})
            for name, value in piece.items():
                if name in ("text", "summary") and value:
                    text += text_in(value)
                if name in ("text", "summary", "data", "signature") and isinstance(value, str):
                    item[name] = (item.get(name) or "") + value
                elif value is not None or name not in item:
                    item[name] = value
        return text

    def provider_state(self) -> str | None:
        """All of them as JSON, once there is something that only their vendor can read."""
        items = list(self._items.values())
        if not any(item.get("signature") or item.get("data") for item in items):
            return None
        self._items = {}
        return msgspec.json.encode(items).decode()


EVENTS = Decoders(UpstreamChunk, joined)
_LOGPROBS = Lenient(Logprobs)


def logprobs_in(value: Any) -> Logprobs:
    """What can be read of a response's log-probabilities, in whatever shape."""
    return _LOGPROBS.decode(msgspec.json.encode(value)) if isinstance(value, dict) else Logprobs()


def failure_of(event: UpstreamChunk, *, streamed: bool) -> UpstreamError | None:
    problem = "the server failed in the middle" if streamed else "the server refused"
    if says(error := event.error):
        return failure(problem, {"message": error, "code": event.code} if isinstance(error, str) else error)
    if (
        event.choices is None and event.message and (event.code or not streamed)
    ):  # else it's a word beside the stream
        return failure(problem, {"message": event.message, "code": event.code})
    return None
