"""Custom tools of OpenAI's chat: their input is free text, which the rest of the house knows as a function's."""

from perpend.serving.dialects.openai_chat_schema import (
    ChatTool,
    CustomCall,
    FunctionCall,
    NamedTool,
    ToolCall,
)
from perpend.serving.fields import missing
from perpend.types import (
    CustomToolSpec,
    ProviderState,
    Tool,
    ToolUse,
    custom_arguments,
    custom_input,
    custom_tool,
)


def tool_of(tool: ChatTool, path: str) -> Tool:
    """Raises BadRequest naming the field."""
    given = tool.custom
    if given is None:
        raise missing(f"{path}.custom", "its name, description and format")
    custom = CustomToolSpec(description=given.description or "")
    if given.format is not None and given.format.type == "grammar":
        if (grammar := given.format.grammar) is None:
            raise missing(f"{path}.custom.format.grammar", "its syntax and definition")
        custom = CustomToolSpec(
            description=custom.description, syntax=grammar.syntax, definition=grammar.definition
        )
    return custom_tool(given.name, custom)


def name_of(named: NamedTool) -> str:
    """Of a tool of either kind. Raises BadRequest."""
    if (one := named.custom or named.function) is None:
        raise missing("tool_choice.allowed_tools.tools", "the name of each")
    return one.name


def call_of(use: ToolUse, custom: frozenset[str]) -> ToolCall:
    """A call as the client knows it; `custom` are the names of its custom tools."""
    if use.name in custom:
        return ToolCall(use.id, type="custom", custom=CustomCall(use.name, custom_input(use.arguments)))
    return ToolCall(use.id, FunctionCall(use.name, use.arguments))


def use_of(call: ToolCall, provider_state: ProviderState | None, path: str) -> ToolUse:
    """A call that a client sends again. Raises BadRequest."""
    if call.custom:
        return ToolUse(call.id, call.custom.name, custom_arguments(call.custom.input), provider_state)
    if not call.function:
        raise missing(f"{path}.function", "its name and arguments")
    return ToolUse(call.id, call.function.name, call.function.arguments, provider_state)
