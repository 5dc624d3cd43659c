"""Tools of OpenAI's responses, with namespaces and custom tools, and the flat names under which models know them."""

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
"""The namespace that means none (openai/harmony)."""
_MAX_NAME_LENGTH = 64
"""Characters of a function's name that every vendor accepts."""


Kind = Literal["function", "custom", "tool_search"]
_KINDS: dict[str, Kind] = {"function": "function", "custom": "custom", "tool_search": "tool_search"}


class ClientTool(NamedTuple):
    """A tool under its client's name."""

    name: str
    namespace: str | None = None
    kind: Kind = "function"


Names = dict[str, ClientTool]
"""Client tools by the name that the model knows."""


def flat_name(name: str, namespace: str | None) -> str:
    """The name that the model knows, with the namespace in front."""
    if namespace is None or namespace == _TOP:
        return name
    return f"{namespace.rstrip('_')}__{name}"[-_MAX_NAME_LENGTH:]


class RequestTools(NamedTuple):
    """A request's tools, as the model and as the client knows them."""

    output_spec: OutputSpec
    names: Names


def request_tools(fields: ResponsesRequest, output: OutputFormat | None, ignored: Ignored) -> RequestTools:
    """The tools of the request and of its input items. Raises BadRequest naming the field."""
    tools: list[Tool] = []
    names: Names = {}
    items = fields.input if isinstance(fields.input, list) else []
    if not fields.tools and fields.tool_choice is None and not any(item.tools for item in items):
        return RequestTools(output_spec_of([], None, fields.parallel_tool_calls, output), names)
    for i, tool in enumerate(fields.tools or []):
        tools += _tools(tool, f"tools[{i}]", names, ignored)
    later: dict[str, Tool] = {}  # a later tool replaces an earlier one of its name
    for i, item in enumerate(items):
        if item.type in ("additional_tools", "tool_search_output"):
            for j, tool in enumerate(item.tools or []):
                added = _tools(tool, f"input[{i}].tools[{j}]", names, ignored)
                later |= {new.name: new for new in added}
    tools = [*(tool for tool in tools if tool.name not in later), *later.values()]
    allowed, choice = _choice(fields, tools, names)
    known = {tool.name for tool in tools}
    bare = {tool.name: tool for tool in names.values() if tool.name not in known}
    return RequestTools(output_spec_of(allowed, choice, fields.parallel_tool_calls, output), bare | names)


def _tools(tool: ResponsesTool, path: str, names: Names, ignored: Ignored) -> list[Tool]:
    if tool.type == "namespace":
        inner = enumerate(tool.tools or [])
        namespace = required(tool.name, f"{path}.name")
        return [
            function
            for i, member in inner
            if (function := _tool(member, namespace, f"{path}.tools[{i}]", names, ignored)) is not None
        ]
    function = _tool(tool, None, path, names, ignored)
    return [] if function is None else [function]


def _tool(
    tool: ResponsesTool, namespace: str | None, path: str, names: Names, ignored: Ignored
) -> Tool | None:
    if not tool.type:
        raise missing(f"{path}.type", "send function, custom or namespace")
    kind = _KINDS.get(tool.type)
    if kind is None or (kind == "tool_search" and tool.execution != "client"):  # the vendor runs it
        return ignored.add(path, f"a tool of type {tool.type[:80]!r}")
    client_name = kind if kind == "tool_search" else required(tool.name, f"{path}.name")
    name = flat_name(client_name, namespace)
    names[name] = ClientTool(client_name, namespace, kind)
    if kind == "custom":
        return custom_tool(name, _custom(tool, path))
    return function_tool(name, tool.description, tool.parameters, tool.strict)


def _custom(tool: ResponsesTool, path: str) -> CustomToolSpec:
    description, format_ = tool.description or "", tool.format
    if format_ is None or format_.type == "text":
        return CustomToolSpec(description=description)
    if format_.syntax is None or format_.definition is None:
        field = f"{path}.format.{'definition' if format_.syntax else 'syntax'}"
        raise missing(field, "send a grammar's syntax, lark or regex, and its definition")
    return CustomToolSpec(description=description, syntax=format_.syntax, definition=format_.definition)


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
        hint = 'send "auto", "none", "required", allowed_tools or {"type": "function", "name": …}'
        raise not_supported("tool_choice", f"tool_choice of type {choice.type[:80]!r}", hint)
    return tools, ForcedTool(_model_name(choice.name, choice.namespace, names))


def _allowed(choice: ResponsesToolChoice, tools: list[Tool], names: Names) -> tuple[list[Tool], ToolChoice]:
    """The tools that `allowed_tools` names, but the vendor's own. Where none is left, none may be called."""
    allowed: set[str] = set()
    for entry in choice.tools or []:
        kind, name = _text(entry, "type"), _text(entry, "name")
        if kind == "namespace":
            allowed |= {flat for flat, tool in names.items() if tool.namespace == name}
        elif kind in ("function", "custom"):
            allowed.add(_model_name(name, _text(entry, "namespace") or None, names))
    if unknown := allowed - {tool.name for tool in tools}:
        hint = f"send one of {', '.join(tool.name for tool in tools)}" if tools else "name it in tools"
        raise BadRequest(f"there is no tool {min(unknown)[:80]!r}", hint=hint, field="tool_choice.tools")
    if not allowed and choice.mode == "required":
        raise BadRequest(
            "no allowed tool is there to be called", hint="send tools", field="tool_choice.tools"
        )
    if not allowed:
        return tools, "none"
    return [tool for tool in tools if tool.name in allowed], choice.mode or "auto"


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _model_name(name: str, namespace: str | None, names: Names) -> str:
    """The model's name for the tool that a client names, with or without its namespace."""
    if namespace is not None:
        return flat_name(name, namespace)
    flat_names = [flat for flat, tool in names.items() if tool.name == name]
    return flat_names[0] if flat_names and name not in names else name
