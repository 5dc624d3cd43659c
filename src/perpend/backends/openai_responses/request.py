"""What is sent on the OpenAI responses wire (API reference: responses/create).

Nothing is stored there: what a later turn needs comes back encrypted, and is sent along with it.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from perpend.backends.contract import Call
from perpend.backends.message_parts import returned
from perpend.backends.sampling import Drawing, Words, drawing, refused_always
from perpend.backends.thinking_params import Asks, asks_of, denied, put, put_asks
from perpend.providers.provider import Provider
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputSpec,
    Part,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    custom_input,
)

_WORDS: Words = {
    "temperature": "temperature",
    "top_p": "top_p",
    "verbosity": "text.verbosity",
    "logprobs": "top_logprobs",
}


def responses_body(call: Call, provider: Provider) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": call.model,
        "input": _input(call, provider.name),
        "stream": True,
        "store": False,
        "max_output_tokens": call.max_tokens,
    }
    put_asks(body, responses_asks(call, provider), call)
    if call.thinking_tokens and call.effort in provider.background:
        body["background"] = True  # what isn't stored is kept for some minutes then
    if call.phase != "thinking":
        body.update(_output_spec(call.output_spec))
    for path, value in responses_drawing(call, provider).fields.items():
        put(body, path, value)
    if "top_logprobs" in body:
        body["include"] = [*body.get("include", ()), "message.output_text.logprobs"]
    return body


def responses_asks(call: Call, provider: Provider) -> Asks:
    """A summary only where somebody will read it: the vendor refuses it to whom it doesn't know well enough."""
    asks = asks_of(call, provider, effort_field="reasoning.effort")
    if asks:
        if call.family.shows == "summary" and call.thinking_tokens and not call.hidden:
            asks["reasoning.summary"] = "auto"
        asks["include"] = ["reasoning.encrypted_content"]
    return asks


def responses_left_out(call: Call, provider: Provider) -> tuple[str, ...]:
    return (
        *responses_drawing(call, provider).left_out,
        *denied(partial(responses_asks, call, provider), call),
    )


def responses_drawing(call: Call, provider: Provider) -> Drawing:
    words = _WORDS
    if key := provider.fields.get("prompt_cache_key"):  # the others are its names on the chat wire
        words = {**_WORDS, "prompt_cache_key": key}
    return drawing(call, words, refused=refused_always(call.family))


def _input(call: Call, origin: str) -> list[Any]:
    custom = {tool.name for tool in call.output_spec.tools if tool.custom is not None}
    uses = [part for message in call.messages for part in message.parts if isinstance(part, ToolUse)]
    free = {use.id for use in uses if use.name in custom}
    items = [item for message in call.messages for item in _items(message, origin, free)]
    role = call.system_role
    return [item | {"role": role} if item.get("role") == "system" else item for item in items]


def _items(message: Message, origin: str, free: set[str]) -> Iterator[Any]:
    """`free` are the ids of the calls to custom tools."""
    if message.role == "assistant":
        yield from _of_assistant(message.parts, origin, free)
    elif message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResult):
                output = part.content if isinstance(part.content, str) else _content(part.content)
                kind = "custom_tool_call_output" if part.tool_use_id in free else "function_call_output"
                yield {"type": kind, "call_id": part.tool_use_id, "output": output}
    else:
        content = message.content if isinstance(message.content, str) else _content(message.content)
        yield {"role": message.role, "content": content}


def _of_assistant(parts: tuple[Part, ...], origin: str, free: set[str]) -> Iterator[Any]:
    """In their order: an item of reasoning has to stand before the item that it led to."""
    for part in parts:
        if isinstance(part, Thought):
            if (item := returned(part.provider_state, origin, dict[str, Any])) is not None:
                yield item
        elif isinstance(part, Text) and part.text:
            yield {"role": "assistant", "content": part.text}
        elif isinstance(part, ToolUse):
            named = {"call_id": part.id, "name": part.name}
            if part.id in free:
                yield {"type": "custom_tool_call", **named, "input": custom_input(part.arguments)}
            else:
                yield {"type": "function_call", **named, "arguments": part.arguments}


def _content(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Text):
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, Image):
            content.append({"type": "input_image", "image_url": part.url, "detail": part.detail or "auto"})
    return content


def _output_spec(output_spec: OutputSpec) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if output_spec.tools:
        fields["tools"] = [_tool(tool) for tool in output_spec.tools]
        fields["tool_choice"] = _choice(output_spec)
        if output_spec.parallel_tools is not None:
            fields["parallel_tool_calls"] = output_spec.parallel_tools
    output = output_spec.output
    if output is not None and output.schema is None:
        fields["text"] = {"format": {"type": "json_object"}}
    elif output is not None:
        given = {"name": output.name, "schema": output.schema, "strict": output.strict or False}
        told = {"description": output.description} if output.description else {}
        fields["text"] = {"format": {"type": "json_schema", **given, **told}}
    return fields


def _tool(tool: Tool) -> dict[str, Any]:
    custom = tool.custom
    if custom is None:
        return {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters or {"type": "object", "properties": {}},
            "strict": tool.strict or False,
        }
    row: dict[str, Any] = {"type": "custom", "name": tool.name, "description": custom.description}
    if custom.syntax is not None:
        row["format"] = {"type": "grammar", "syntax": custom.syntax, "definition": custom.definition}
    return row


def _choice(output_spec: OutputSpec) -> Any:
    choice = output_spec.tool_choice
    if not isinstance(choice, ForcedTool):
        return choice
    custom = any(tool.custom is not None for tool in output_spec.tools if tool.name == choice.name)
    return {"type": "custom" if custom else "function", "name": choice.name}
