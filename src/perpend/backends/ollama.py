"""Ollama's own `/api/chat`: lines of JSON, with thinking in its own field.

Ollama counts all output tokens together; the thinking tokens are estimated from the texts.
Reference: https://docs.ollama.com/api/chat
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal, NotRequired, TypedDict

from msgspec import Raw, Struct, field

from perpend.backends.body import Body, JSONObject, ThinkingParams
from perpend.backends.call_pieces import arguments_text
from perpend.backends.contract import Call, CallEvent, Upstream, backends
from perpend.backends.message_parts import arguments, media, result_images, result_text, tool_names
from perpend.backends.options import with_options
from perpend.backends.reasons import REASONS, end_word
from perpend.backends.sampling import FieldNames, sampling_fields
from perpend.backends.speech import Speech
from perpend.backends.stream_decoder import Decoders, StreamDecoder, merged, relay
from perpend.errors import BadRequest, UpstreamError
from perpend.providers.provider import Provider
from perpend.transport.failures import says
from perpend.transport.ndjson import LineParser
from perpend.types import (
    CallEnded,
    Image,
    Message,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
    new_id,
)

_SAME_NAMES = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
)
_FIELD_NAMES: FieldNames = {**{name: name for name in _SAME_NAMES}, "repetition_penalty": "repeat_penalty"}
_NO_THINKING = "does not support thinking"


class _CalledFunction(Struct):
    name: str
    arguments: Raw
    """A JSON object."""


class _SentCall(Struct):
    id: str
    function: _CalledFunction


class _SentMessage(Struct, omit_defaults=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str
    thinking: str = ""
    images: list[str] | None = None
    """Base64."""
    tool_calls: list[_SentCall] | None = None
    tool_name: str | None = None
    """Set on a tool result; so is the next field."""
    tool_call_id: str | None = None


class _DefinedFunction(Struct):
    name: str
    description: str
    parameters: JSONObject
    """JSON schema."""


class _DefinedTool(Struct, tag="function"):
    function: _DefinedFunction


class _Body(TypedDict):
    model: str
    messages: list[_SentMessage]
    options: Body
    """Sampling, and `num_predict`: the most tokens of thinking and answer together."""
    stream: Literal[True]
    think: NotRequired[bool | str]
    tools: NotRequired[list[_DefinedTool]]
    format: NotRequired[Literal["json"] | JSONObject]


class Ollama:
    """base_url is the server's address alone, such as `http://127.0.0.1:11434`."""

    supports_prefix = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._nonthinking: set[str] = set()
        """Models known not to think; a request for thinking is a 400 there."""

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Streams the events of `call`, again without thinking where the model can't think.

        Raises BadRequest and UpstreamError: see `Backend.stream`.
        """
        body = with_options(_request(call), call, self._upstream.provider)
        if call.model in self._nonthinking and "think" in body:
            body["think"] = False
        try:
            async with aclosing(self._relay(call, body)) as batches:
                async for batch in batches:
                    yield batch
            return
        except UpstreamError as error:
            if _NO_THINKING not in error.message or not body.get("think"):
                raise
        self._nonthinking.add(call.model)
        async with aclosing(self._relay(call, body | {"think": False})) as batches:
            async for batch in batches:
                yield batch

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Reads the one line of a response that wasn't streamed. Raises UpstreamError."""
        return _LineDecoder(call, self._upstream.provider, _think(call)).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        denied = ("think",) if call.model in self._nonthinking and _think(call) else ()
        spec = call.output_spec
        forced = ("tool_choice",) if spec.tools and spec.tool_choice not in ("auto", "none") else ()
        return (*sampling_fields(call, _FIELD_NAMES).left_out, *denied, *forced)

    def steers(self, call: Call) -> ThinkingParams:
        return {"think": call.model not in self._nonthinking and _think(call)}

    async def count_input(self, call: Call) -> int | None:
        """Returns None: the wire has no tokenizer endpoint."""
        return None

    def _relay(self, call: Call, body: Body) -> AsyncGenerator[list[CallEvent], None]:
        decoder = _LineDecoder(call, self._upstream.provider, body.get("think"))
        return relay(self._upstream, "/api/chat", body, decoder, LineParser())


def _request(call: Call) -> Body:
    """Builds the body of `call`. Raises BadRequest for an image by address, which Ollama doesn't load."""
    output_spec = call.output_spec
    names = tool_names(call.messages)
    fixed: _Body = {
        "model": call.model,
        "messages": [
            sent for message in call.messages for sent in _messages(message, names, call.system_role)
        ],
        "options": {"num_predict": call.max_tokens, **sampling_fields(call, _FIELD_NAMES).fields},
        "stream": True,
    }
    if (think := _think(call)) is not None:
        fixed["think"] = think
    if output_spec.tools and output_spec.tool_choice != "none":
        fixed["tools"] = [_tool(tool) for tool in output_spec.tools]
    if output_spec.output is not None:
        fixed["format"] = "json" if output_spec.output.schema is None else output_spec.output.schema
    return {**fixed}


def _think(call: Call) -> bool | str | None:
    """Returns `think`: a level for families that can't stop thinking, such as gpt-oss; a bool for the others."""
    family = call.family
    if not call.may_ask:
        return None
    if not family.can_disable and (word := family.effort_word(call.effort)) is not None:
        return word
    return call.effort != "none" and call.thinking_tokens > 0


def _tool(tool: Tool) -> _DefinedTool:
    return _DefinedTool(_DefinedFunction(tool.name, tool.description, tool.parameters))


def _messages(
    message: Message, names: dict[str, str], system: Literal["system", "developer", "user"]
) -> list[_SentMessage]:
    """Converts a message. `names`: tool names by call id. `system`: the role that a system message is sent with."""
    if message.role == "tool":
        return [_result(part, names) for part in message.parts if isinstance(part, ToolResult)]
    calls = [
        _SentCall(part.id, _CalledFunction(part.name, arguments(part)))
        for part in message.parts
        if isinstance(part, ToolUse)
    ]
    sent = _SentMessage(
        system if message.role == "system" else message.role,
        message.text,
        message.thinking if message.role == "assistant" else "",
        _images([part for part in message.parts if isinstance(part, Image)]),
        calls or None,
    )
    return [sent]


def _result(result: ToolResult, names: dict[str, str]) -> _SentMessage:
    text = result_text(result)
    return _SentMessage(
        "tool",
        f"error: {text}" if result.failed else text,
        images=_images(result_images(result)),
        tool_name=names.get(result.tool_use_id, result.tool_use_id),
        tool_call_id=result.tool_use_id,
    )


def _images(images: list[Image]) -> list[str] | None:
    """Returns the images in base64. Raises BadRequest for an image by address, which Ollama doesn't load."""
    inline_images = [media(image) for image in images]
    if None in inline_images:
        raise BadRequest(
            "Ollama doesn't load images from addresses",
            hint="send the image as a data: URL",
            field="messages",
        )
    return [inline.data for inline in inline_images if inline is not None] or None


class _Function(Struct):
    name: str = ""
    arguments: Raw = Raw(b"{}")


class _ToolCall(Struct):
    id: str = ""
    function: _Function = field(default_factory=_Function)


class _Message(Struct):
    content: str = ""
    thinking: str = ""
    tool_calls: list[_ToolCall] | None = None


class _Line(Struct):
    model: str | None = None
    message: _Message | str | None = None
    done: bool = False
    done_reason: str = "stop"
    prompt_eval_count: int = 0
    eval_count: int | None = None
    error: Any = None
    detail: Any = None
    """An error from a proxy in front of the server; so is a `message` that is a string."""


_LINES = Decoders(_Line)


class _LineDecoder(StreamDecoder[_Line]):
    def __init__(self, call: Call, provider: Provider, think: bool | str | None) -> None:
        """`think`: the value in the request's body."""
        speech = Speech(call, provider, thinking_off=think is False, thinks_first=bool(think))
        super().__init__(provider.name, _LINES, speech)
        self._started = False
        self._final = _Line()

    def take(self, event: _Line, batch: list[CallEvent]) -> None:
        message = event.message
        for error in (event.error, event.detail, message if isinstance(message, str) else None):
            if says(error):
                self.fail(error)
                return
        if isinstance(message, _Message):
            self._started = True
            if message.thinking:
                self.speech.thought(message.thinking, batch)
            if message.content:
                self.speech.answer(message.content, batch)
            for tool_call in message.tool_calls or ():
                function = tool_call.function
                arguments = arguments_text(function.arguments) or "{}"
                call_id = tool_call.id or new_id("call")  # older servers send no id
                self.speech.call(batch, self.speech.calls.count, call_id, function.name, arguments)
            event.message = None
        if event.done or event.eval_count is not None:
            self._final = merged(self._final, event) or event
            self.done = self.done or event.done

    def end(self) -> CallEnded | None:
        if not (self.done and (self._started or self._final.done)):
            return None
        final = self._final
        usage = None if final.eval_count is None else Usage(final.prompt_eval_count, answer=final.eval_count)
        reason = REASONS.get(end_word(final.done_reason) or "stop") or "stop"
        if reason == "stop" and self.speech.calls.count:
            reason = "tool_calls"
        return CallEnded(reason, usage, final.model)


backends.register("ollama")(Ollama)
