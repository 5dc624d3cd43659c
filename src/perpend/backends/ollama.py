"""Ollama's own `/api/chat`: lines of JSON, with thinking in a field of its own (ollama docs/api.md, api/types.go).

It counts the output as a whole; which part of it was thinking is estimated from the texts.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from msgspec import Raw, Struct, field

from perpend.backends.contract import Call, CallEvent, Upstream, append_text, backends
from perpend.backends.lines import LineParser
from perpend.backends.options import with_options
from perpend.backends.parts import arguments, media, result_images, result_text, tool_names
from perpend.backends.reading import Decoders, Reading, relay
from perpend.backends.sampling import Words, drawing
from perpend.errors import BadRequest, UpstreamError
from perpend.types import (
    AnswerDelta,
    CallEnded,
    Image,
    Message,
    ThinkingDelta,
    ToolCallDelta,
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

    continues = False
    resumes = False

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._origin = upstream.provider.name
        self._thoughtless: set[str] = set()
        """Models that are known not to think: to ask them for it is a 400."""

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        body = with_options(_request(call), call, self._upstream.provider)
        if call.model in self._thoughtless:
            body["think"] = False
        try:
            async with aclosing(self._relay(body)) as batches:
                async for batch in batches:
                    yield batch
            return
        except UpstreamError as error:
            if _NO_THINKING not in error.message or not body["think"]:
                raise
        self._thoughtless.add(call.model)
        async with aclosing(self._relay(body | {"think": False})) as batches:
            async for batch in batches:
                yield batch

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """The one line of a response that wasn't streamed. Raises UpstreamError."""
        return _LineReading(self._origin).events([body])

    def left_out(self, call: Call) -> tuple[str, ...]:
        return drawing(call, _WORDS).left_out

    def steers(self, call: Call) -> dict[str, Any]:
        return {"think": call.model not in self._thoughtless and _think(call)}

    async def count_input(self, call: Call) -> int | None:
        """The wire has no tokenizer to ask."""
        return None

    def _relay(self, body: dict[str, Any]) -> AsyncGenerator[list[CallEvent], None]:
        return relay(self._upstream, "/api/chat", body, _LineReading(self._origin), LineParser())


def _request(call: Call) -> dict[str, Any]:
    form = call.form
    options = {**drawing(call, _WORDS).fields, "num_predict": call.max_tokens}
    names = tool_names(call.messages)
    body: dict[str, Any] = {
        "model": call.model,
        "messages": [said for message in call.messages for said in _messages(message, names)],
        "think": _think(call),
        "options": options,
        "stream": True,
    }
    if form.tools and form.tool_choice != "none":
        body["tools"] = [_tool(tool) for tool in form.tools]
    if form.output is not None:
        body["format"] = "json" if form.output.schema is None else form.output.schema
    return body


def _think(call: Call) -> bool | str:
    """A level for families that can only think more or less, such as gpt-oss; yes or no for the others."""
    family = call.family
    if not family.can_disable and (word := family.effort_word(call.effort)) is not None:
        return word
    return call.effort != "none" and call.thinking_tokens > 0


def _tool(tool: Any) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _messages(message: Message, names: dict[str, str]) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [_result(part, names) for part in message.parts if isinstance(part, ToolResult)]
    said: dict[str, Any] = {"role": message.role, "content": message.text}
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
    message: _Said | None = None
    done: bool = False
    done_reason: str = "stop"
    prompt_eval_count: int = 0
    eval_count: int | None = None
    error: Any = None


_LINES = Decoders(_Line)


class _LineReading(Reading[_Line]):
    def __init__(self, origin: str) -> None:
        super().__init__(origin, _LINES)
        self._tools = 0
        self._last: _Line | None = None

    def take(self, event: _Line, batch: list[CallEvent]) -> None:
        if event.error is not None:
            self.fail(event.error)
            return
        if (said := event.message) is not None:
            if said.thinking:
                append_text(batch, ThinkingDelta, said.thinking, 0)
            if said.content:
                append_text(batch, AnswerDelta, said.content, 0)
            for tool_call in said.tool_calls or ():
                given = bytes(tool_call.function.arguments).decode()
                name = tool_call.id or new_id("call")  # older servers give none
                batch.append(ToolCallDelta(self._tools, name, tool_call.function.name, given))
                self._tools += 1
        if event.done:
            self._last = event

    def end(self) -> CallEnded | None:
        if (last := self._last) is None:
            return None
        usage = None if last.eval_count is None else Usage(last.prompt_eval_count, answer=last.eval_count)
        if last.done_reason == "length":
            return CallEnded("length", usage, last.model)
        return CallEnded("tool_calls" if self._tools else "stop", usage, last.model)


backends.register("ollama")(Ollama)
