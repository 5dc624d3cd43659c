"""Ollama's own `/api/chat`: lines of JSON, with thinking in a field of its own (ollama docs/api.md, api/types.go).

It counts the output as a whole; which part of it was thinking is estimated from the texts.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from msgspec import Raw, Struct, field

from perpend.backends.call_pieces import arguments_text
from perpend.backends.contract import Call, CallEvent, Upstream, backends
from perpend.backends.message_parts import arguments, media, result_images, result_text, tool_names
from perpend.backends.options import with_options
from perpend.backends.reasons import REASONS, why
from perpend.backends.sampling import Words, drawing
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
    ToolResult,
    ToolUse,
    Usage,
    new_id,
)

_SAME = ("temperature", "top_p", "top_k", "min_p", "seed", "stop", "presence_penalty", "frequency_penalty")
_WORDS: Words = {**{name: name for name in _SAME}, "repetition_penalty": "repeat_penalty"}
_NO_THINKING = "does not support thinking"


class Ollama:
    """base_url is the server's address alone, such as `http://127.0.0.1:11434`."""

    supports_prefix = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._thoughtless: set[str] = set()
        """Models that are known not to think: to ask them for it is a 400."""

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        body = with_options(_request(call), call, self._upstream.provider)
        if call.model in self._thoughtless and "think" in body:
            body["think"] = False
        try:
            async with aclosing(self._relay(call, body)) as batches:
                async for batch in batches:
                    yield batch
            return
        except UpstreamError as error:
            if _NO_THINKING not in error.message or not body.get("think"):
                raise
        self._thoughtless.add(call.model)
        async with aclosing(self._relay(call, body | {"think": False})) as batches:
            async for batch in batches:
                yield batch

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """The one line of a response that wasn't streamed. Raises UpstreamError."""
        return _LineReading(call, self._upstream.provider, _think(call)).whole(body)

    def left_out(self, call: Call) -> tuple[str, ...]:
        denied = ("think",) if call.model in self._thoughtless and _think(call) else ()
        output_spec = call.output_spec
        must = (
            ("tool_choice",) if output_spec.tools and output_spec.tool_choice not in ("auto", "none") else ()
        )
        return (*drawing(call, _WORDS).left_out, *denied, *must)

    def steers(self, call: Call) -> dict[str, Any]:
        return {"think": call.model not in self._thoughtless and _think(call)}

    async def count_input(self, call: Call) -> int | None:
        """The wire has no tokenizer to ask."""
        return None

    def _relay(self, call: Call, body: dict[str, Any]) -> AsyncGenerator[list[CallEvent], None]:
        reading = _LineReading(call, self._upstream.provider, body.get("think"))
        return relay(self._upstream, "/api/chat", body, reading, LineParser())


def _request(call: Call) -> dict[str, Any]:
    output_spec = call.output_spec
    options = {**drawing(call, _WORDS).fields, "num_predict": call.max_tokens}
    names = tool_names(call.messages)
    body: dict[str, Any] = {
        "model": call.model,
        "messages": [
            said for message in call.messages for said in _messages(message, names, call.system_role)
        ],
        "options": options,
        "stream": True,
    }
    if (think := _think(call)) is not None:
        body["think"] = think
    if output_spec.tools and output_spec.tool_choice != "none":
        body["tools"] = [_tool(tool) for tool in output_spec.tools]
    if output_spec.output is not None:
        body["format"] = "json" if output_spec.output.schema is None else output_spec.output.schema
    return body


def _think(call: Call) -> bool | str | None:
    """A level for families that can only think more or less, such as gpt-oss; yes or no for the others."""
    family = call.family
    if not call.may_ask:
        return None
    if not family.can_disable and (word := family.effort_word(call.effort)) is not None:
        return word
    return call.effort != "none" and call.thinking_tokens > 0


def _tool(tool: Any) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _messages(message: Message, names: dict[str, str], system: str) -> list[dict[str, Any]]:
    """`system`: the role in which a system message speaks."""
    if message.role == "tool":
        return [_result(part, names) for part in message.parts if isinstance(part, ToolResult)]
    said: dict[str, Any] = {
        "role": system if message.role == "system" else message.role,
        "content": message.text,
    }
    if message.role == "assistant" and message.thinking:
        said["thinking"] = message.thinking
    if images := _images([part for part in message.parts if isinstance(part, Image)]):
        said["images"] = images
    if uses := [part for part in message.parts if isinstance(part, ToolUse)]:
        said["tool_calls"] = [
            {"id": use.id, "function": {"name": use.name, "arguments": arguments(use)}} for use in uses
        ]
    return [said]


def _result(result: ToolResult, names: dict[str, str]) -> dict[str, Any]:
    name = names.get(result.tool_use_id, result.tool_use_id)
    said: dict[str, Any] = {"role": "tool", "tool_name": name, "tool_call_id": result.tool_use_id}
    said["content"] = f"error: {result_text(result)}" if result.failed else result_text(result)
    if images := _images(result_images(result)):
        said["images"] = images
    return said


def _images(images: list[Image]) -> list[str]:
    """Raises BadRequest for one that it would have to load: it can't."""
    found = [media(image) for image in images]
    if None in found:
        raise BadRequest(
            "Ollama doesn't load images from addresses",
            hint="send the image as a data: URL",
            field="messages",
        )
    return [inline.data for inline in found if inline is not None]


class _Function(Struct):
    name: str = ""
    arguments: Raw = Raw(b"{}")


class _ToolCall(Struct):
    id: str = ""
    function: _Function = field(default_factory=_Function)


class _Said(Struct):
    content: str = ""
    thinking: str = ""
    tool_calls: list[_ToolCall] | None = None


class _Line(Struct):
    model: str | None = None
    message: _Said | str | None = None
    done: bool = False
    done_reason: str = "stop"
    prompt_eval_count: int = 0
    eval_count: int | None = None
    error: Any = None
    detail: Any = None
    """What is wrong, as it is told by what stands before some servers; so is a message that is a text."""


_LINES = Decoders(_Line)


class _LineReading(StreamDecoder[_Line]):
    def __init__(self, call: Call, provider: Provider, think: bool | str | None) -> None:
        """`think` is what it was asked for."""
        speech = Speech(call, provider, off=think is False, thinks_first=bool(think))
        super().__init__(provider.name, _LINES, speech)
        self._begun = False
        self._last = _Line()

    def take(self, event: _Line, batch: list[CallEvent]) -> None:
        said = event.message
        for wrong in (event.error, event.detail, said if isinstance(said, str) else None):
            if says(wrong):
                self.fail(wrong)
                return
        if isinstance(said, _Said):
            self._begun = True
            if said.thinking:
                self.speech.thought(said.thinking, batch)
            if said.content:
                self.speech.answer(said.content, batch)
            for tool_call in said.tool_calls or ():
                function = tool_call.function
                arguments = arguments_text(function.arguments) or "{}"
                call_id = tool_call.id or new_id("call")  # older servers give none
                self.speech.call(batch, self.speech.calls.count, call_id, function.name, arguments)
            event.message = None
        if event.done or event.eval_count is not None:
            self._last = merged(self._last, event) or event
            self.done = self.done or event.done

    def end(self) -> CallEnded | None:
        if not (self.done and (self._begun or self._last.done)):
            return None
        last = self._last
        usage = None if last.eval_count is None else Usage(last.prompt_eval_count, answer=last.eval_count)
        reason = REASONS.get(why(last.done_reason) or "stop") or "stop"
        if reason == "stop" and self.speech.calls.count:
            reason = "tool_calls"
        return CallEnded(reason, usage, last.model)


backends.register("ollama")(Ollama)
