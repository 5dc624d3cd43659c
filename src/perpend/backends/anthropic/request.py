"""Builds request bodies for the Anthropic messages wire (anthropic 2.13, types/message_create_params.py).

The model's family decides how a budget is sent: `native_*` families get `thinking.budget_tokens`, `effort_only`
families get adaptive thinking and `output_config.effort`, and the others get no thinking parameter.
Reference: https://docs.claude.com/en/api/messages
"""

import re
from functools import partial
from typing import Any, Literal, cast

import msgspec

from perpend.backends.anthropic.body import (
    AnthropicBase64,
    AnthropicBlock,
    AnthropicBody,
    AnthropicImage,
    AnthropicMessage,
    AnthropicText,
    AnthropicThinkingBlock,
    AnthropicThinkingConfig,
    AnthropicTool,
    AnthropicToolChoice,
    AnthropicToolResult,
    AnthropicToolUse,
    AnthropicURL,
)
from perpend.backends.body import Body, JSONObject, ThinkingParams, body_of
from perpend.backends.contract import Call, state_for
from perpend.backends.message_parts import arguments, format_instruction, media, system
from perpend.backends.sampling import FieldNames, SamplingFields, sampling_fields
from perpend.backends.thinking_params import denied, granted
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
    Tool,
    ToolResult,
    ToolUse,
)

_LEAST_BUDGET = 1024
"""The smallest `budget_tokens`, in tokens; the budget must also be less than `max_tokens`."""
_CHOICES: dict[str, Literal["auto", "none", "any"]] = {"auto": "auto", "none": "none", "required": "any"}
_FIELD_NAMES: FieldNames = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
}
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def request(call: Call, provider: Provider) -> Body:
    """Builds the body of `call`, always streamed, with the provider's own thinking blocks of earlier turns."""
    output_spec, origin = call.output_spec, provider.name
    messages = [_message(message, origin) for message in call.messages if message.role != "system"]
    fixed: AnthropicBody = {
        "model": call.model,
        "max_tokens": call.max_tokens,
        "messages": [message for message in messages if message.content],
        "stream": True,
    }
    preamble = system(call.messages)
    if output_spec.output is not None and output_spec.output.schema is None:
        preamble = f"{preamble}\n\n{format_instruction(output_spec.output)}".lstrip()
    if preamble and call.system_role == "system":
        fixed["system"] = preamble
    elif preamble:
        fixed["messages"].insert(0, AnthropicMessage("user", preamble))
    if output_spec.output is not None and output_spec.output.schema is not None:
        schema = cast("JSONObject", _closed(output_spec.output.schema))
        fixed["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if output_spec.tools:
        fixed["tools"] = [_tool(tool) for tool in output_spec.tools]
        fixed["tool_choice"] = _choice(output_spec)
    return body_of(fixed, _sampling(call, provider).fields, granted(anthropic_thinking(call, provider), call))


def left_out(call: Call, provider: Provider) -> tuple[str, ...]:
    return (*_sampling(call, provider).left_out, *denied(partial(anthropic_thinking, call, provider), call))


def anthropic_thinking(call: Call, provider: Provider) -> ThinkingParams:
    thinking = _thinking(call, provider.name)
    if thinking is None:
        return {}
    effort = call.family.effort_word(call.effort) if thinking["type"] == "adaptive" else None
    return {"thinking": thinking} | ({} if effort is None else {"output_config.effort": effort})


def _thinking(call: Call, origin: str) -> AnthropicThinkingConfig | None:
    family = call.family
    if not call.may_ask:
        return None
    # the vendor refuses thinking beside a forced tool
    forced = bool(call.output_spec.tools) and call.output_spec.tool_choice not in ("auto", "none")
    if family.budget == "effort_only":
        if (forced or call.effort == "none") and family.can_disable:
            return {"type": "disabled"}
        return {"type": "adaptive", "display": "summarized"}
    if family.budget in ("native_hard", "native_soft"):
        tokens, most = family.clamp_budget(call.thinking_tokens), call.max_tokens - 1
        if not tokens or most < _LEAST_BUDGET or forced or _lacks_thought(call.messages, origin):
            return {"type": "disabled"}
        return {"type": "enabled", "budget_tokens": min(max(tokens, _LEAST_BUDGET), most)}
    return None


def _lacks_thought(messages: tuple[Message, ...], origin: str) -> bool:
    """Tells whether the last assistant turn called tools without a thought from this vendor.

    The vendor refuses a thinking budget for such a conversation.
    """
    parts = next((message.parts for message in reversed(messages) if message.role == "assistant"), ())
    calls_tools = any(isinstance(part, ToolUse) for part in parts)
    return calls_tools and not any(
        isinstance(part, Thought) and state_for(part.provider_state, origin) for part in parts
    )


def _closed(schema: Any) -> Any:
    """Sets `additionalProperties: false` on every object, which the vendor requires.

    An object with a schema for additional properties stays as it is, and the vendor refuses it.
    """
    if isinstance(schema, list):
        return [_closed(item) for item in schema]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(schema, dict):
        return schema
    closed: JSONObject = {name: _closed(value) for name, value in schema.items()}  # pyright: ignore[reportUnknownVariableType]
    if closed.get("type") == "object" and not isinstance(closed.get("additionalProperties"), dict):
        closed["additionalProperties"] = False
    return closed


def _sampling(call: Call, provider: Provider) -> SamplingFields:
    """Drops sampling fields that the vendor refuses.

    While a model thinks it accepts only the defaults; so do `effort_only` families with fixed sampling at any time.
    Otherwise it accepts temperature or top_p, not both.
    """
    thinking = granted(anthropic_thinking(call, provider), call).get("thinking")
    thinking_on = thinking is not None and thinking["type"] != "disabled"
    if thinking_on or (call.family.budget == "effort_only" and call.family.sampling_fixed):
        refused = ("temperature", "top_p", "top_k")
    else:
        refused = () if call.sampling.temperature is None else ("top_p",)
    sampling = sampling_fields(call, _FIELD_NAMES, provider, refused=refused)
    if "temperature" in sampling.fields:
        sampling.fields["temperature"] = min(
            sampling.fields["temperature"], 1.0
        )  # the maximum of this vendor's scale
    return sampling


def _tool(tool: Tool) -> AnthropicTool:
    schema = {"type": "object", **tool.parameters}
    return AnthropicTool(tool.name, schema, tool.description, bool(tool.strict))


def _choice(output_spec: OutputSpec) -> AnthropicToolChoice:
    requested = output_spec.tool_choice
    choice: AnthropicToolChoice = (
        {"type": "tool", "name": requested.name}
        if isinstance(requested, ForcedTool)
        else {"type": _CHOICES[requested]}
    )
    if output_spec.parallel_tools is False and requested != "none":
        choice["disable_parallel_tool_use"] = True
    return choice


def _message(message: Message, origin: str) -> AnthropicMessage:
    """Converts a message; its content is empty where all of its texts are blank, which the vendor refuses."""
    role = "assistant" if message.role == "assistant" else "user"
    if isinstance(message.content, str):
        return AnthropicMessage(role, message.content if message.content.strip() else "")
    return AnthropicMessage(role, _blocks(message.content, origin))


def _blocks(parts: tuple[Part, ...], origin: str) -> list[AnthropicBlock]:
    return [block for part in parts if (block := _block(part, origin)) is not None]


def _block(part: Part, origin: str) -> AnthropicBlock | None:
    match part:
        case Text():
            return AnthropicText(part.text) if part.text.strip() else None
        case Image():
            return _image(part)
        case Thought():
            return _thought(part, origin)
        case ToolUse():
            return AnthropicToolUse(_id(part.id), part.name, arguments(part))
        case ToolResult():
            content = part.content if isinstance(part.content, str) else _blocks(part.content, "")
            return AnthropicToolResult(_id(part.tool_use_id), content, part.failed)
        case Document():
            return None  # its text was extracted earlier


def _thought(thought: Thought, origin: str) -> AnthropicThinkingBlock | msgspec.Raw | None:
    """Returns the thinking block unchanged; None without its signature, since the vendor refuses such a block."""
    data = state_for(thought.provider_state, origin)
    if data is None:
        return None
    if data.startswith("{"):
        return msgspec.Raw(data.encode())
    return AnthropicThinkingBlock(thought.text, data)


def _image(image: Image) -> AnthropicImage:
    inline = media(image)
    source = AnthropicURL(image.url) if inline is None else AnthropicBase64(inline.kind, inline.data)
    return AnthropicImage(source)


def _id(name: str) -> str:
    """Replaces characters of other vendors' ids that this vendor refuses."""
    return _NOT_IN_ID.sub("_", name)
