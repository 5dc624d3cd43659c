"""What is sent over the Anthropic messages wire (anthropic 2.13, types/message_create_params.py).

How a model takes its budget is its family's: `native_*` families get `thinking.budget_tokens`, `effort_only` ones
adaptive thinking and `output_config.effort`, the others no thinking parameter at all.
"""

import re
from functools import partial
from typing import Any

import msgspec

from perpend.backends.contract import Call, mine
from perpend.backends.message_parts import arguments, in_words, media, system
from perpend.backends.sampling import Drawing, Words, drawing
from perpend.backends.thinking_params import Asks, denied, granted, put, put_asks
from perpend.providers.provider import Provider
from perpend.types import (
    Document,
    ForcedTool,
    Image,
    Message,
    OutputSpec,
    Part,
    Text,
    Thought,
    ToolChoice,
    ToolResult,
    ToolUse,
)

_LEAST_BUDGET = 1024
"""The smallest `budget_tokens`; it has to be less than `max_tokens` too."""
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_WORDS: Words = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
}
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def request(call: Call, provider: Provider) -> dict[str, Any]:
    """The body of `call`, always streamed. The provider's own carries go along."""
    output_spec, origin = call.output_spec, provider.name
    body: dict[str, Any] = {
        "model": call.model,
        "max_tokens": call.max_tokens,
        "messages": [m for m in [_message(message, origin) for message in call.messages] if m["content"]],
        "stream": True,
    }
    preamble = system(call.messages)
    if output_spec.output is not None and output_spec.output.schema is None:
        preamble = f"{preamble}\n\n{in_words(output_spec.output)}".lstrip()
    if preamble and call.system_role == "system":
        body["system"] = preamble
    elif preamble:
        body["messages"].insert(0, {"role": "user", "content": preamble})
    put_asks(body, anthropic_asks(call, provider), call)
    if output_spec.output is not None and output_spec.output.schema is not None:
        schema = {"type": "json_schema", "schema": _closed(output_spec.output.schema)}
        put(body, "output_config.format", schema)
    body.update(_drawing(call, provider).fields)
    if output_spec.tools:
        body["tools"] = [_tool(tool) for tool in output_spec.tools]
        body["tool_choice"] = _choice(output_spec)
    return body


def left_out(call: Call, provider: Provider) -> tuple[str, ...]:
    return (*_drawing(call, provider).left_out, *denied(partial(anthropic_asks, call, provider), call))


def anthropic_asks(call: Call, provider: Provider) -> Asks:
    thinking = _thinking(call, provider.name)
    if thinking is None:
        return {}
    word = call.family.effort_word(call.effort) if thinking["type"] == "adaptive" else None
    return {"thinking": thinking} | ({} if word is None else {"output_config.effort": word})


def _thinking(call: Call, origin: str) -> dict[str, Any] | None:
    family = call.family
    if not call.may_ask:
        return None
    forced = bool(call.output_spec.tools) and call.output_spec.tool_choice not in (
        "auto",
        "none",
    )  # excludes thinking
    if family.budget == "effort_only":
        if (forced or call.effort == "none") and family.can_disable:
            return {"type": "disabled"}
        return {"type": "adaptive", "display": "summarized"}
    if family.budget in ("native_hard", "native_soft"):
        tokens, room = family.clamp_budget(call.thinking_tokens), call.max_tokens - 1
        if not tokens or room < _LEAST_BUDGET or forced or _thoughtless(call.messages, origin):
            return {"type": "disabled"}
        return {"type": "enabled", "budget_tokens": min(max(tokens, _LEAST_BUDGET), room)}
    return None


def _thoughtless(messages: tuple[Message, ...], origin: str) -> bool:
    """The last turn called tools without a thought of this vendor's: it can't go on with a thinking budget."""
    parts = next((message.parts for message in reversed(messages) if message.role == "assistant"), ())
    called = any(isinstance(part, ToolUse) for part in parts)
    return called and not any(
        isinstance(part, Thought) and mine(part.provider_state, origin) for part in parts
    )


def _closed(schema: Any) -> Any:
    """The vendor takes only objects that say `additionalProperties: false`; one that means others it refuses."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(schema, dict):
        return schema
    inner: dict[str, Any] = {name: _closed(value) for name, value in schema.items()}  # pyright: ignore[reportUnknownVariableType]
    if inner.get("type") == "object" and not isinstance(inner.get("additionalProperties"), dict):
        inner["additionalProperties"] = False
    return inner


def _drawing(call: Call, provider: Provider) -> Drawing:
    """A model that thinks takes only the defaults, one with efforts at any time; others temperature or top_p."""
    thinking = granted(anthropic_asks(call, provider), call).get("thinking")
    thinks = thinking is not None and thinking["type"] != "disabled"
    if thinks or (call.family.budget == "effort_only" and call.family.sampling_fixed):
        refused = ("temperature", "top_p", "top_k")
    else:
        refused = () if call.sampling.temperature is None else ("top_p",)
    drawn = drawing(call, _WORDS, provider, refused=refused)
    if "temperature" in drawn.fields:
        drawn.fields["temperature"] = min(drawn.fields["temperature"], 1.0)  # the top of this vendor's scale
    return drawn


def _tool(tool: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters}}
    if tool.description:
        row["description"] = tool.description
    if tool.strict:
        row["strict"] = True
    return row


def _choice(output_spec: OutputSpec) -> dict[str, Any]:
    wanted: ToolChoice = output_spec.tool_choice
    choice: dict[str, Any] = (
        {"type": "tool", "name": wanted.name}
        if isinstance(wanted, ForcedTool)
        else {"type": _CHOICES[wanted]}
    )
    if output_spec.parallel_tools is False and wanted != "none":
        choice["disable_parallel_tool_use"] = True
    return choice


def _message(message: Message, origin: str) -> dict[str, Any]:
    """Its content is empty where it says nothing on this wire: the vendor refuses blank texts."""
    if message.role == "system":
        return {"content": []}
    role = "assistant" if message.role == "assistant" else "user"
    if isinstance(message.content, str):
        return {"role": role, "content": message.content if message.content.strip() else []}
    blocks = [_block(part, origin) for part in message.content]
    return {"role": role, "content": [block for block in blocks if block is not None]}


def _block(part: Part, origin: str) -> Any:
    match part:
        case Text():
            return {"type": "text", "text": part.text} if part.text.strip() else None
        case Image():
            return _image(part)
        case Thought():
            return _thought(part, origin)
        case ToolUse():
            return {"type": "tool_use", "id": _id(part.id), "name": part.name, "input": arguments(part)}
        case ToolResult():
            return _result(part)
        case Document():
            return None  # its text was read before


def _thought(thought: Thought, origin: str) -> Any:
    """Unchanged, or not at all: one without its signature is refused."""
    data = mine(thought.provider_state, origin)
    if data is None:
        return None
    if data.startswith("{"):
        return msgspec.Raw(data.encode())
    return {"type": "thinking", "thinking": thought.text, "signature": data}


def _image(image: Image) -> dict[str, Any]:
    inline = media(image)
    if inline is None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": inline.kind, "data": inline.data}}


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _id(result.tool_use_id)}
    if isinstance(result.content, str):
        block["content"] = result.content
    else:
        blocks = [_block(part, "") for part in result.content]
        block["content"] = [inner for inner in blocks if inner is not None]
    if result.failed:
        block["is_error"] = True
    return block


def _id(name: str) -> str:
    """Other vendors' ids have characters that this one refuses."""
    return _NOT_IN_ID.sub("_", name)
