"""Custom tools of OpenAI's chat completions: their free-text input becomes a function's arguments, and back."""

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
    """The tool as the model is offered it. Raises BadRequest naming the field."""
    definition = tool.custom
    if definition is None:
        raise missing(f"{path}.custom", "send its name, description and format")
    custom = CustomToolSpec(description=definition.description or "")
    if definition.format is not None and definition.format.type == "grammar":
        if (grammar := definition.format.grammar) is None:
            raise missing(f"{path}.custom.format.grammar", "send its syntax and definition")
        custom = CustomToolSpec(
            description=custom.description, syntax=grammar.syntax, definition=grammar.definition
        )
    return custom_tool(definition.name, custom)


def name_of(tool: NamedTool) -> str:
    """The name of a function or a custom tool. Raises BadRequest where it has none."""
    if (reference := tool.custom or tool.function) is None:
        raise missing("tool_choice.allowed_tools.tools", "send the name of each tool")
    return reference.name


def call_of(use: ToolUse, custom: frozenset[str]) -> ToolCall:
    """A call in the client's form; `custom` names its custom tools."""
    if use.name in custom:
        return ToolCall(use.id, type="custom", custom=CustomCall(use.name, custom_input(use.arguments)))
    return ToolCall(use.id, FunctionCall(use.name, use.arguments))


def use_of(call: ToolCall, provider_state: ProviderState | None, path: str) -> ToolUse:
    """The call that a client sends back. Raises BadRequest where it names no function."""
    if call.custom:
        return ToolUse(call.id, call.custom.name, custom_arguments(call.custom.input), provider_state)
    if not call.function:
        raise missing(f"{path}.function", "send its name and arguments")
    return ToolUse(call.id, call.function.name, call.function.arguments, provider_state)
