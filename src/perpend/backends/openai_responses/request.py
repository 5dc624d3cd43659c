"""Builds request bodies for the OpenAI responses wire.

Responses aren't stored at OpenAI: their reasoning comes back encrypted, and later turns send it again.
Reference: https://platform.openai.com/docs/api-reference/responses/create
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from perpend.backends.body import Body, JSONObject, ThinkingParams, body_of
from perpend.backends.contract import Call
from perpend.backends.message_parts import state_value
from perpend.backends.openai_responses.body import (
    ResponsesCustomCall,
    ResponsesCustomOutput,
    ResponsesCustomTool,
    ResponsesFormat,
    ResponsesFunctionCall,
    ResponsesFunctionOutput,
    ResponsesFunctionTool,
    ResponsesGrammar,
    ResponsesImage,
    ResponsesItem,
    ResponsesMessage,
    ResponsesNamedTool,
    ResponsesOutputSpec,
    ResponsesRequestBody,
    ResponsesText,
)
from perpend.backends.sampling import FieldNames, SamplingFields, refused_always, sampling_fields
from perpend.backends.thinking_params import denied, granted, thinking_params_of
from perpend.providers.provider import Provider
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Part,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    custom_input,
)

_FIELD_NAMES: FieldNames = {
    "temperature": "temperature",
    "top_p": "top_p",
    "verbosity": "text.verbosity",
    "logprobs": "top_logprobs",
}


def responses_body(call: Call, provider: Provider) -> Body:
    """Builds the body of `call`. Raises BadRequest where a client altered the vendor's opaque thinking state."""
    output_spec: ResponsesOutputSpec = {} if call.phase == "thinking" else _output_spec(call.output_spec)
    fixed: ResponsesRequestBody = {
        "model": call.model,
        "input": _input(call, provider.name),
        "stream": True,
        "store": False,
        "max_output_tokens": call.max_tokens,
        **output_spec,
    }
    if call.thinking_tokens and call.effort in provider.background:
        fixed["background"] = True  # OpenAI then keeps a response that isn't stored for some minutes
    by_path = granted(responses_thinking(call, provider), call) | responses_sampling(call, provider).fields
    body = body_of(fixed, {}, by_path)
    if "top_logprobs" in body:
        body["include"] = [*body.get("include", ()), "message.output_text.logprobs"]
    return body


def responses_thinking(call: Call, provider: Provider) -> ThinkingParams:
    """Returns the thinking parameters; a summary only if a client sees it: OpenAI refuses unverified accounts."""
    thinking_params = thinking_params_of(call, provider, effort_field="reasoning.effort")
    if thinking_params:
        if call.family.shows == "summary" and call.thinking_tokens and not call.hidden:
            thinking_params["reasoning.summary"] = "auto"
        thinking_params["include"] = ["reasoning.encrypted_content"]
    return thinking_params


def responses_left_out(call: Call, provider: Provider) -> tuple[str, ...]:
    return (
        *responses_sampling(call, provider).left_out,
        *denied(partial(responses_thinking, call, provider), call),
    )


def responses_sampling(call: Call, provider: Provider) -> SamplingFields:
    field_names = _FIELD_NAMES
    if key := provider.fields.get("prompt_cache_key"):  # the row's other names are those of the chat wire
        field_names = {**_FIELD_NAMES, "prompt_cache_key": key}
    return sampling_fields(call, field_names, refused=refused_always(call.family))


def _input(call: Call, origin: str) -> list[ResponsesItem]:
    """Converts the messages. `origin`: the provider whose own reasoning items are sent. Raises BadRequest."""
    custom = {tool.name for tool in call.output_spec.tools if tool.custom is not None}
    uses = [part for message in call.messages for part in message.parts if isinstance(part, ToolUse)]
    custom_calls = {use.id for use in uses if use.name in custom}
    items: list[ResponsesItem] = []
    for message in call.messages:
        if message.role == "assistant":
            items += _assistant(message.parts, origin, custom_calls)
        elif message.role == "tool":
            items += _results(message.parts, custom_calls)
        else:
            role = call.system_role if message.role == "system" else message.role
            items.append(_message(role, message))
    return items


def _message(role: Literal["system", "developer", "user"], message: Message) -> ResponsesMessage:
    content = message.content if isinstance(message.content, str) else _content(message.content)
    return ResponsesMessage(role, content)


def _results(
    parts: tuple[Part, ...], custom_calls: set[str]
) -> Iterator[ResponsesFunctionOutput | ResponsesCustomOutput]:
    """Converts tool results. `custom_calls`: ids of calls to custom tools."""
    for part in parts:
        if isinstance(part, ToolResult):
            output = part.content if isinstance(part.content, str) else _content(part.content)
            kind = ResponsesCustomOutput if part.tool_use_id in custom_calls else ResponsesFunctionOutput
            yield kind(part.tool_use_id, output)


def _assistant(parts: tuple[Part, ...], origin: str, custom_calls: set[str]) -> Iterator[ResponsesItem]:
    """Converts the parts in order: a reasoning item must precede the item that it led to."""
    for part in parts:
        if isinstance(part, Thought):
            if (item := state_value(part.provider_state, origin, JSONObject)) is not None:
                yield item
        elif isinstance(part, Text) and part.text:
            yield ResponsesMessage("assistant", part.text)
        elif isinstance(part, ToolUse) and part.id in custom_calls:
            yield ResponsesCustomCall(part.id, part.name, custom_input(part.arguments))
        elif isinstance(part, ToolUse):
            yield ResponsesFunctionCall(part.id, part.name, part.arguments)


def _content(parts: tuple[Part, ...]) -> list[ResponsesText | ResponsesImage]:
    content: list[ResponsesText | ResponsesImage] = []
    for part in parts:
        if isinstance(part, Text):
            content.append(ResponsesText(part.text))
        elif isinstance(part, Image):
            content.append(ResponsesImage(part.url, part.detail or "auto"))
    return content


def _output_spec(output_spec: OutputSpec) -> ResponsesOutputSpec:
    fields: ResponsesOutputSpec = {}
    if output_spec.tools:
        fields["tools"] = [_tool(tool) for tool in output_spec.tools]
        fields["tool_choice"] = _choice(output_spec.tool_choice, output_spec.tools)
        if output_spec.parallel_tools is not None:
            fields["parallel_tool_calls"] = output_spec.parallel_tools
    if output_spec.output is not None:
        fields["text"] = {"format": _format(output_spec.output)}
    return fields


def _format(output: OutputFormat) -> ResponsesFormat:
    if output.schema is None:
        return {"type": "json_object"}
    row: ResponsesFormat = {
        "type": "json_schema",
        "name": output.name,
        "schema": output.schema,
        "strict": output.strict or False,
    }
    if output.description:
        row["description"] = output.description
    return row


def _tool(tool: Tool) -> ResponsesFunctionTool | ResponsesCustomTool:
    custom = tool.custom
    if custom is None:
        parameters = tool.parameters or {"type": "object", "properties": {}}
        return ResponsesFunctionTool(tool.name, tool.description, parameters, tool.strict or False)
    grammar = None if custom.syntax is None else ResponsesGrammar(custom.syntax, custom.definition)
    return ResponsesCustomTool(tool.name, custom.description, grammar)


def _choice(
    choice: ToolChoice, tools: tuple[Tool, ...]
) -> Literal["auto", "none", "required"] | ResponsesNamedTool:
    if not isinstance(choice, ForcedTool):
        return choice
    custom = any(tool.custom is not None for tool in tools if tool.name == choice.name)
    return {"type": "custom" if custom else "function", "name": choice.name}
