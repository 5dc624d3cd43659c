"""Tools as responses have them, namespaces and custom tools among them, and the form that a model knows them in."""

from typing import Any, Literal, NamedTuple, cast

from perpend.errors import BadRequest
from perpend.serving.dialects.openai_responses_schema import (
    ResponsesRequest,
    ResponsesTool,
    ResponsesToolChoice,
)
from perpend.serving.dialects.output_specs import function_tool, output_spec_of
from perpend.serving.fields import Ignored, missing, not_supported, required
from perpend.types import CustomToolSpec, ForcedTool, OutputFormat, OutputSpec, Tool, ToolChoice, custom_tool

_TOP = "functions"
"""The namespace that stands for none (openai/harmony)."""
_MAX_NAME_LENGTH = 64
"""Letters of a function's name that every vendor takes."""


Kind = Literal["function", "custom", "tool_search"]
_KINDS: dict[str, Kind] = {"function": "function", "custom": "custom", "tool_search": "tool_search"}


class ClientTool(NamedTuple):
    """A tool as its client knows it."""

    name: str
    namespace: str | None = None
    kind: Kind = "function"


Names = dict[str, ClientTool]
"""By the name that the model knows."""


def flat_name(name: str, namespace: str | None) -> str:
    """The name that the model knows."""
    if namespace is None or namespace == _TOP:
        return name
    return f"{namespace.rstrip('_')}__{name}"[-_MAX_NAME_LENGTH:]


class RequestTools(NamedTuple):
    output_spec: OutputSpec
    names: Names


def request_tools(fields: ResponsesRequest, output: OutputFormat | None, ignored: Ignored) -> RequestTools:
    """Tools of the request and of its input's items. Raises BadRequest naming the field."""
    tools: list[Tool] = []
    names: Names = {}
    items = fields.input if isinstance(fields.input, list) else []
    if not fields.tools and fields.tool_choice is None and not any(item.tools for item in items):
        return RequestTools(output_spec_of([], None, fields.parallel_tool_calls, output), names)
    for i, tool in enumerate(fields.tools or []):
        tools += _tools(tool, f"tools[{i}]", names, ignored)
    later: dict[str, Tool] = {}  # what is offered again takes the place of what was
    for i, item in enumerate(items):
        if item.type in ("additional_tools", "tool_search_output"):
            for j, tool in enumerate(item.tools or []):
                made = _tools(tool, f"input[{i}].tools[{j}]", names, ignored)
                later |= {one.name: one for one in made}
    tools = [*(tool for tool in tools if tool.name not in later), *later.values()]
    allowed, choice = _choice(fields, tools, names)
    known = {tool.name for tool in tools}
    bare = {client_tool.name: client_tool for client_tool in names.values() if client_tool.name not in known}
    return RequestTools(output_spec_of(allowed, choice, fields.parallel_tool_calls, output), bare | names)


def _tools(tool: ResponsesTool, path: str, names: Names, ignored: Ignored) -> list[Tool]:
    if tool.type == "namespace":
        inner = enumerate(tool.tools or [])
        namespace = required(tool.name, f"{path}.name")
        return [
            made
            for i, one in inner
            if (made := _tool(one, namespace, f"{path}.tools[{i}]", names, ignored)) is not None
        ]
    made = _tool(tool, None, path, names, ignored)
    return [] if made is None else [made]


def _tool(
    tool: ResponsesTool, namespace: str | None, path: str, names: Names, ignored: Ignored
) -> Tool | None:
    if not tool.type:
        raise missing(f"{path}.type", "function, custom or namespace")
    kind = _KINDS.get(tool.type)
    if kind is None or (kind == "tool_search" and tool.execution != "client"):  # hosted: run by the vendor
        return ignored.add(path, f"a tool of type {tool.type[:80]!r}")
    own = kind if kind == "tool_search" else required(tool.name, f"{path}.name")
    name = flat_name(own, namespace)
    names[name] = ClientTool(own, namespace, kind)
    if kind == "custom":
        return custom_tool(name, _custom(tool, path))
    return function_tool(name, tool.description, tool.parameters, tool.strict)


def _custom(tool: ResponsesTool, path: str) -> CustomToolSpec:
    description, wanted = tool.description or "", tool.format
    if wanted is None or wanted.type == "text":
        return CustomToolSpec(description=description)
    if wanted.syntax is None or wanted.definition is None:
        raise missing(f"{path}.format.{'definition' if wanted.syntax else 'syntax'}", "lark or regex, and it")
    return CustomToolSpec(description=description, syntax=wanted.syntax, definition=wanted.definition)


def _choice(
    fields: ResponsesRequest, tools: list[Tool], names: Names
) -> tuple[list[Tool], ToolChoice | None]:
    """The tools that may be called, and how they are chosen."""
    choice = fields.tool_choice
    if not isinstance(choice, ResponsesToolChoice):
        return tools, cast("ToolChoice | None", choice)
    if choice.type == "allowed_tools":
        return _allowed(choice, tools, names)
    if choice.type not in ("function", "custom") or choice.name is None:
        hint = '"auto", "none", "required", allowed_tools or {"type": "function", "name": …}'
        raise not_supported("tool_choice", f"tool_choice of type {choice.type[:80]!r}", hint)
    return tools, ForcedTool(_model_name(choice.name, choice.namespace, names))


def _allowed(choice: ResponsesToolChoice, tools: list[Tool], names: Names) -> tuple[list[Tool], ToolChoice]:
    """Hosted ones aren't there anyway; where no other is allowed, none may be called."""
    wanted: set[str] = set()
    for one in choice.tools or []:
        kind, name = _word(one, "type"), _word(one, "name")
        if kind == "namespace":
            wanted |= {known for known, client_tool in names.items() if client_tool.namespace == name}
        elif kind in ("function", "custom"):
            wanted.add(_model_name(name, _word(one, "namespace") or None, names))
    if unknown := wanted - {tool.name for tool in tools}:
        hint = f"one of {', '.join(tool.name for tool in tools)}" if tools else "name it in tools"
        raise BadRequest(f"there is no tool {min(unknown)[:80]!r}", hint=hint, field="tool_choice.tools")
    if not wanted and choice.mode == "required":
        raise BadRequest(
            "no allowed tool is there to be called", hint="send tools", field="tool_choice.tools"
        )
    if not wanted:
        return tools, "none"
    return [tool for tool in tools if tool.name in wanted], choice.mode or "auto"


def _word(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _model_name(name: str, namespace: str | None, names: Names) -> str:
    """The model's name for a tool that a client names, with its namespace or without."""
    if namespace is not None:
        return flat_name(name, namespace)
    known = [known_name for known_name, client_tool in names.items() if client_tool.name == name]
    return known[0] if known and name not in names else name
