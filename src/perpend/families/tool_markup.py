"""Tools for models that only read and write text, in the format of Hermes and Qwen.

Tools are described in the system prompt between `<tools>` tags, calls are JSON between `<tool_call>` tags, and
results come back between `<tool_response>` tags (NousResearch/Hermes-Function-Calling; Qwen2.5's chat template).
"""

from typing import Any, NamedTuple

import msgspec

from perpend.errors import BadRequest
from perpend.families.family import ToolStyle
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)

OPEN = "<tool_call>"
CLOSE = "</tool_call>"

_PROMPT = """# Tools

You may call functions to answer. Their signatures are between <tools></tools>:
<tools>
{tools}
</tools>

To call one, write its name and arguments as a JSON object between <tool_call></tool_call>:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""
_PROMPT_CHOSEN = """# Tools

You may call functions to answer. Their signatures are between <tools></tools>:
<tools>
{tools}
</tools>

Answer with one JSON object, the call of the function that does what the user wants:
{{"name": <function-name>, "arguments": <args-json-object>}}
`{reply}` is for everything that you can say or write by yourself."""
_REPLY: dict[str, Any] = {
    "description": "Reply to the user in words: to talk, explain, translate, write text or code, or answer from "
    "what you know.",
    "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}
_EXAMPLE = ("Hi!", '{{"name": "{reply}", "arguments": {{"text": "Hello! What can I do for you?"}}}}')


class _Marks(NamedTuple):
    """Templates of a past call and of its result."""

    call: str
    result: str


_TAGS = _Marks(f"\n{OPEN}\n{{}}\n{CLOSE}", "\n<tool_response>\n{}\n</tool_response>")
_MARKS: dict[ToolStyle, _Marks] = {
    "hermes": _TAGS,
    # without tags, which the prompt of this style doesn't explain
    "chosen": _Marks("\n{}", "\nThis is what the call gave:\n{}"),
    "none": _TAGS,
}
CALL_BEGUN = '{"name": "'
_FORMAT = "Give the final answer as JSON that fits this schema: {schema}"
_json = msgspec.json.encode


def callable_tools(output_spec: OutputSpec) -> tuple[Tool, ...]:
    """The tools that the model may call: none where `tool_choice` is `none`."""
    return () if output_spec.tool_choice == "none" else output_spec.tools


def forced(output_spec: OutputSpec) -> bool:
    """Whether the answer has to be a tool call."""
    return bool(output_spec.tools) and output_spec.tool_choice not in ("auto", "none")


def schema_of(output_spec: OutputSpec) -> dict[str, Any] | None:
    """The JSON schema of the answer's text; None where it is free, which it must be where it may become a call."""
    if forced(output_spec):
        choice = output_spec.tool_choice
        calls = [
            _call_schema(tool)
            for tool in output_spec.tools
            if not isinstance(choice, ForcedTool) or tool.name == choice.name
        ]
        return calls[0] if len(calls) == 1 else {"anyOf": calls}
    if output_spec.output is None or callable_tools(output_spec):
        return None
    return output_spec.output.schema or {"type": "object"}


def reply_name(tools: tuple[Tool, ...]) -> str:
    """The name of the pseudo-tool that stands for a reply in words."""
    return "answer_in_words" if any(tool.name == "reply" for tool in tools) else "reply"


def as_text(
    messages: tuple[Message, ...], output_spec: OutputSpec, style: ToolStyle = "hermes"
) -> tuple[Message, ...]:
    """The conversation as text messages, with tools and format in its system prompt. Raises BadRequest for images."""
    plain = [_plain(message, _MARKS[style]) for message in messages]
    system = [plain.pop(0).text] if plain and plain[0].role == "system" else []
    about, example = _tool_prompt(callable_tools(output_spec), style)
    if style != "none" and output_spec.output is not None and output_spec.output.schema is not None:
        about.append(_FORMAT.format(schema=_described(output_spec.output)))
    if not system and not about:
        return tuple(plain)
    return (Message("system", "\n\n".join([*system, *about])), *example, *plain)


def _tool_prompt(tools: tuple[Tool, ...], style: ToolStyle) -> tuple[list[str], list[Message]]:
    """The paragraphs about the tools, and example turns."""
    if not tools or style == "none":
        return [], []
    if style == "hermes":
        return [_PROMPT.format(tools=_listed(tools))], []
    reply = reply_name(tools)
    about = _PROMPT_CHOSEN.format(tools=_listed((*tools, Tool(name=reply, **_REPLY))), reply=reply)
    question, reply_call = _EXAMPLE
    return [about], [Message("user", question), Message("assistant", reply_call.format(reply=reply))]


def _listed(tools: tuple[Tool, ...]) -> str:
    return "\n".join(_signature(tool) for tool in tools)


def _plain(message: Message, marks: _Marks) -> Message:
    if isinstance(message.content, str):
        return message
    texts: list[str] = []
    for part in message.content:
        if isinstance(part, Image):
            raise BadRequest("this model doesn't read images", hint="ask one that does", field="model")
        if isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, ToolUse):
            call = f'{{"name": {_json(part.name).decode()}, "arguments": {part.arguments or "{}"}}}'
            texts.append(marks.call.format(call))
        elif isinstance(part, ToolResult):
            texts.append(marks.result.format(_result(part, marks)))
    role = "user" if message.role == "tool" else message.role
    return Message(role, "".join(texts).removeprefix("\n"))


def _result(result: ToolResult, marks: _Marks) -> str:
    if isinstance(result.content, str):
        return result.content
    return _plain(Message("user", result.content), marks).text


def _signature(tool: Tool) -> str:
    about = {"description": tool.description} if tool.description else {}
    function = {"name": tool.name, **about, "parameters": tool.parameters}
    return _json({"type": "function", "function": function}).decode()


def _described(output: OutputFormat) -> str:
    schema = _json(output.schema).decode()
    return f"{schema}\n{output.description}" if output.description else schema


def _call_schema(tool: Tool) -> dict[str, Any]:
    arguments = tool.parameters or {"type": "object"}
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
