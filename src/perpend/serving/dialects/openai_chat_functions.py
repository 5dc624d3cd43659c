"""OpenAI's deprecated `functions`: read into tools, and answered as `function_call`.

These calls have no id, and a result names its function alone: it is taken for the result of the last call before it.
"""

from perpend.errors import BadRequest
from perpend.serving.dialects.openai_chat_schema import (
    ChatMessage,
    ChatRequest,
    ChatTool,
    ChatToolChoice,
    NamedFunction,
    ToolCall,
)


def convert_functions(chat: ChatRequest) -> None:
    """Replace `functions` and `function_call` with tools. Raises BadRequest where the request has both."""
    if chat.tools or chat.tool_choice:
        raise BadRequest("functions and tools can't both be sent", hint="send tools alone", field="functions")
    chat.tools = [ChatTool("function", function) for function in chat.functions or []]
    choice = chat.function_call
    chat.tool_choice = ChatToolChoice("function", choice) if isinstance(choice, NamedFunction) else choice
    chat.parallel_tool_calls = False


def calls_of(index: int, message: ChatMessage) -> list[ToolCall]:
    """An assistant's tool calls, with its `function_call` among them."""
    if message.function_call is None:
        return message.tool_calls or []
    return [*(message.tool_calls or []), ToolCall(_id(index), message.function_call)]


def function_call_id(index: int, messages: list[ChatMessage]) -> str | None:
    """The id of the call that a message of the role `function` answers; None where no call comes before it."""
    calls = [at for at, message in enumerate(messages[:index]) if message.function_call is not None]
    return _id(calls[-1]) if calls else None


def _id(index: int) -> str:
    return f"call_{index}"
