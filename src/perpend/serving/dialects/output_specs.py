"""The canonical form of tools, output formats and parts, shared by all dialects."""

from collections.abc import Sequence
from typing import Any, TypeVar

from perpend.errors import BadRequest
from perpend.registry import choices_hint
from perpend.serving.dialects.openai_chat_schema import JSONSchemaFormat
from perpend.serving.dialects.openai_responses_schema import TextFormat
from perpend.serving.fields import missing
from perpend.types import ForcedTool, Message, OutputFormat, OutputSpec, Part, Text, Tool, ToolChoice

P = TypeVar("P", bound=Part)
NO_OUTPUT_SPEC = OutputSpec()


def output_spec_of(
    tools: list[Tool], choice: ToolChoice | None, parallel: bool | None, output: OutputFormat | None
) -> OutputSpec:
    """The output spec of a request's tools and format. Raises BadRequest naming `tools` or `tool_choice`."""
    if not tools and output is None and choice in (None, "auto", "none"):
        return NO_OUTPUT_SPEC
    names = {tool.name for tool in tools}
    if len(names) < len(tools):
        raise BadRequest("two tools have the same name", hint="give each tool its own name", field="tools")
    if isinstance(choice, ForcedTool) and choice.name not in names:
        hint = f"send one of {', '.join(sorted(names))}" if names else "name it in tools"
        raise BadRequest(f"there is no tool {choice.name[:80]!r}", hint=hint, field="tool_choice")
    if choice == "required" and not tools:
        raise BadRequest("no tool is there to be called", hint="send tools", field="tool_choice")
    return OutputSpec(
        tools=tuple(tools), tool_choice=choice or "auto", parallel_tools=parallel, output=output
    )


def output_format(kind: str, schema: JSONSchemaFormat | TextFormat | None, field: str) -> OutputFormat | None:
    """The format that `kind` names: `text`, `json_object` or `json_schema`.

    Raises BadRequest naming `field` where `json_schema` comes without a schema.
    """
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat()
    if schema is None or schema.schema is None:
        raise missing(field, "send the JSON schema of the answer, and its name")
    name, description = schema.name or "answer", schema.description or ""
    return OutputFormat(schema=schema.schema, name=name, description=description, strict=schema.strict)


def function_tool(
    name: str, description: str | None, parameters: dict[str, Any] | None, strict: bool | None
) -> Tool:
    """A function tool; without a schema it takes no parameters."""
    schema = parameters or {"type": "object", "properties": {}}
    return Tool(name=name, description=description or "", parameters=schema, strict=strict)


def tools_named(tools: list[Tool], names: list[str]) -> list[Tool]:
    """The tools of these names, in their order. Raises BadRequest for an unknown name."""
    by_name = {tool.name: tool for tool in tools}
    if unknown := [name for name in names if name not in by_name]:
        hint = choices_hint(unknown[0], by_name)
        raise BadRequest(f"there is no tool {unknown[0][:80]!r}", hint=hint, field="tool_choice")
    return [by_name[name] for name in dict.fromkeys(names)]


def merge_tool_results(messages: list[Message]) -> tuple[Message, ...]:
    """Join consecutive tool messages: the results of one turn's calls are one message."""
    merged: list[Message] = []
    for message in messages:
        last = merged[-1] if merged else None
        if message.role == "tool" and last is not None and last.role == "tool":
            merged[-1] = Message("tool", (*last.parts, *message.parts))
        else:
            merged.append(message)
    return tuple(merged)


def canonical_content(parts: Sequence[P]) -> str | tuple[P, ...]:
    """Join parts that are all text into one string, so that a prompt is the same however it was split."""
    texts = [part.text for part in parts if isinstance(part, Text) and part.provider_state is None]
    return "".join(texts) if len(texts) == len(parts) else tuple(parts)
