"""Tools, output formats and parts, put in canonical form the same way whichever dialect they came in."""

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
    """Raises BadRequest naming `tools` or `tool_choice`."""
    if not tools and output is None and choice in (None, "auto", "none"):
        return NO_OUTPUT_SPEC
    names = {tool.name for tool in tools}
    if len(names) < len(tools):
        raise BadRequest("two tools have the same name", hint="give each its own", field="tools")
    if isinstance(choice, ForcedTool) and choice.name not in names:
        hint = f"one of {', '.join(sorted(names))}" if names else "name it in tools"
        raise BadRequest(f"there is no tool {choice.name[:80]!r}", hint=hint, field="tool_choice")
    if choice == "required" and not tools:
        raise BadRequest("no tool is there to be called", hint="send tools", field="tool_choice")
    return OutputSpec(
        tools=tuple(tools), tool_choice=choice or "auto", parallel_tools=parallel, output=output
    )


def output_format(kind: str, given: JSONSchemaFormat | TextFormat | None, field: str) -> OutputFormat | None:
    """`kind`: `text`, `json_object` or `json_schema`, which has a schema. Raises BadRequest naming `field`."""
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat()
    if given is None or given.schema is None:
        raise missing(field, "the JSON schema of the answer, and its name")
    name, description = given.name or "answer", given.description or ""
    return OutputFormat(schema=given.schema, name=name, description=description, strict=given.strict)


def function(
    name: str, description: str | None, parameters: dict[str, Any] | None, strict: bool | None
) -> Tool:
    """A function; without parameters it takes none."""
    takes = parameters or {"type": "object", "properties": {}}
    return Tool(name=name, description=description or "", parameters=takes, strict=strict)


def only(tools: list[Tool], names: list[str]) -> list[Tool]:
    """The tools that are allowed this time. Raises BadRequest for a name that none has."""
    by_name = {tool.name: tool for tool in tools}
    if unknown := [name for name in names if name not in by_name]:
        hint = choices_hint(unknown[0], by_name)
        raise BadRequest(f"there is no tool {unknown[0][:80]!r}", hint=hint, field="tool_choice")
    return [by_name[name] for name in dict.fromkeys(names)]


def with_results_together(messages: list[Message]) -> tuple[Message, ...]:
    """The results of one turn's tool calls are one message, however many a client made of them."""
    together: list[Message] = []
    for message in messages:
        last = together[-1] if together else None
        if message.role == "tool" and last is not None and last.role == "tool":
            together[-1] = Message("tool", (*last.parts, *message.parts))
        else:
            together.append(message)
    return tuple(together)


def plain(parts: Sequence[P]) -> str | tuple[P, ...]:
    """Text alone is a string: a prompt doesn't change with the way in which it was cut."""
    texts = [part.text for part in parts if isinstance(part, Text) and part.provider_state is None]
    return "".join(texts) if len(texts) == len(parts) else tuple(parts)
