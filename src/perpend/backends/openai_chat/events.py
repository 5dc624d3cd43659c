"""Types of responses on the OpenAI chat wire, read leniently: thinking in any known field, tool calls, token counts.

Reference: https://platform.openai.com/docs/api-reference/chat-streaming, and other servers' extensions to it.
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
"""Words in the type of a part whose text is thinking."""


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
        """Converts the counts. `thinking_in_output`: completion tokens include the thinking."""
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
            thinking = min(thinking, answer)  # OpenRouter has reported 11 thinking tokens of 10
            answer -= thinking
        return Usage(self.prompt_tokens or 0, cached, thinking, answer)


class TextPiece(Struct):
    """A piece of text inside a chunk of content."""

    text: str = ""


class Chunk(Struct):
    """A chunk of content that is a list, some of it thinking: Mistral, Databricks, Cohere."""

    type: str = "text"
    text: str | None = None
    thinking: list[TextPiece] | str | None = None
    summary: list[TextPiece] | str | None = None
    reasoning: list[TextPiece] | str | None = None
    reasoning_content: list[TextPiece] | str | None = None
    content: list[TextPiece] | str | None = None

    @property
    def thought_and_text(self) -> tuple[str, str]:
        """The chunk's thinking and its text."""
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
        """The arguments as JSON text; some servers send an object."""
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
    """Thinking, as are the next five fields: servers use different names."""
    reasoning: str | None = None
    reasoning_text: str | None = None
    thinking: str | None = None
    summary: Any = None
    """A summary of the thinking; parts of any shape, as in the next field."""
    thinking_blocks: Any = None
    """LiteLLM's, in addition to another of these fields."""
    reasoning_details: list[JSONObject] | None = None
    tool_calls: list[CallPiece] | None = None
    function_call: CalledFunction | None = None
    """From servers that don't support `tool_calls`."""
    refusal: str | None = None

    @property
    def parts_of_thought(self) -> str:
        """The text of `summary`, else of `thinking_blocks`."""
        return text_in(self.summary or self.thinking_blocks)


class Position(Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: tuple[int, ...] | None = None
    top_logprobs: tuple[TopLogprob, ...] | None = None


class Logprobs(Struct):
    content: list[Position] | None = None

    def tokens(self, count: int) -> list[TokenLogprob]:
        """Converts them; `count`: alternatives kept for each token."""
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
    """Set in a response that wasn't streamed."""
    finish_reason: str | None = None
    finish: str | None = msgspec.field(default=None, name="finishReason")
    stop_reason: str | int | None = None
    """vLLM: the stop string that matched."""
    logprobs: Any = None
    """`Logprobs`, read only if requested, since servers send values of other shapes too."""

    @property
    def ended(self) -> str | None:
        """The word for why the choice ended; None where it continues."""
        return end_word(self.finish_reason) or end_word(self.finish)


class Timings(Struct):
    """llama.cpp's timings."""

    predicted_n: int | None = None
    """Tokens generated so far."""


class Groq(Struct):
    usage: UpstreamUsage | None = None


class UpstreamChunk(Struct, gc=False):
    choices: list[UpstreamChoice] | None = None
    outputs: list[UpstreamChoice] | None = None
    """xAI's gRPC messages as JSON."""
    usage: UpstreamUsage | None = None
    model: str | None = None
    error: Any = None
    x_groq: Groq | None = None
    timings: Timings | None = None
    message: str | None = None
    """The message of an error that has no envelope."""
    code: str | int | None = None


def joined(events: list[UpstreamChunk]) -> list[UpstreamChunk]:
    """Merges consecutive events that have only a piece of one text, since taking each event is costly.

    A merged event never begins with white space, which may be dropped before an answer.
    """
    kept: list[UpstreamChunk] = []
    thought: bool | None = None  # whether `texts` are thinking; None: nothing to merge into
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
    """Returns whether the event's text is thinking, and the text; None where the event has anything else."""
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
    """Joins the pieces of OpenRouter's `reasoning_details` to the whole items that are sent back."""

    def __init__(self) -> None:
        self._items: dict[tuple[Any, Any], JSONObject] = {}

    def take(self, pieces: list[JSONObject]) -> str:
        """Adds pieces and returns their text."""
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
        """Returns all items as JSON and forgets them; None as long as none has a signature or encrypted data."""
        items = list(self._items.values())
        if not any(item.get("signature") or item.get("data") for item in items):
            return None
        self._items = {}
        return msgspec.json.encode(items).decode()


EVENTS = Decoders(UpstreamChunk, joined)
_LOGPROBS = Lenient(Logprobs)


def logprobs_in(value: Any) -> Logprobs:
    """Reads a response's log-probabilities as far as possible; empty for an unknown shape."""
    return _LOGPROBS.decode(msgspec.json.encode(value)) if isinstance(value, dict) else Logprobs()


def failure_of(event: UpstreamChunk, *, streamed: bool) -> UpstreamError | None:
    """Returns the error that the event reports; None where it reports none."""
    problem = "the server failed in the middle" if streamed else "the server refused"
    if says(error := event.error):
        return failure(problem, {"message": error, "code": event.code} if isinstance(error, str) else error)
    if (
        event.choices is None and event.message and (event.code or not streamed)
    ):  # otherwise the message accompanies the stream
        return failure(problem, {"message": event.message, "code": event.code})
    return None
