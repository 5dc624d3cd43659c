"""Tools for models that only read and write text, in the format of Hermes and Qwen.

Tools are described in the system prompt between `<tools>` tags, calls are JSON between `<tool_call>` tags, and
results come back between `<tool_response>` tags (NousResearch/Hermes-Function-Calling; Qwen2.5's chat template).
"""

import re
from typing import Any

import msgspec

from perpend.backends.families import ToolStyle
from perpend.errors import BadRequest
from perpend.types import (
    Form,
    Image,
    Message,
    NamedTool,
    OutputFormat,
    Text,
    Tool,
    ToolCallDelta,
    ToolResult,
    ToolUse,
    new_id,
)

OPEN = "<tool_call>"
CLOSE = "</tool_call>"

_ABOUT = """# Tools

You may call functions to answer. Their signatures are between <tools></tools>:
<tools>
{tools}
</tools>

To call one, write its name and arguments as a JSON object between <tool_call></tool_call>:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""
_ABOUT_CHOSEN = """# Tools

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
_SHOWN = ("Hi!", '{{"name": "{reply}", "arguments": {{"text": "Hello! What can I do for you?"}}}}')
CALL_BEGUN = '{"name": "'
_FORMAT = "Give the final answer as JSON that fits this schema: {schema}"
_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)')
_json = msgspec.json.encode


def callable_tools(form: Form) -> tuple[Tool, ...]:
    """Those that the model may call this time."""
    return () if form.tool_choice == "none" else form.tools


def forced(form: Form) -> bool:
    """The answer has to be a tool call."""
    return bool(form.tools) and form.tool_choice not in ("auto", "none")


def schema_of(form: Form) -> dict[str, Any] | None:
    """What the answer's text has to be; None where it is free, as it must be where it may become a call."""
    if forced(form):
        choice = form.tool_choice
        calls = [
            _call_schema(tool)
            for tool in form.tools
            if not isinstance(choice, NamedTool) or tool.name == choice.name
        ]
        return calls[0] if len(calls) == 1 else {"anyOf": calls}
    if form.output is None or callable_tools(form):
        return None
    return form.output.schema or {"type": "object"}


def reply_name(tools: tuple[Tool, ...]) -> str:
    """What a reply in words is called where it stands among the tools."""
    return "answer_in_words" if any(tool.name == "reply" for tool in tools) else "reply"


def as_text(messages: tuple[Message, ...], form: Form, style: ToolStyle = "hermes") -> tuple[Message, ...]:
    """The conversation in plain messages, tools and format in its system prompt. Raises BadRequest for images."""
    plain = [_plain(message) for message in messages]
    system = [plain.pop(0).text] if plain and plain[0].role == "system" else []
    about, shown = _told(callable_tools(form), style)
    if style != "none" and form.output is not None and form.output.schema is not None:
        about.append(_FORMAT.format(schema=_described(form.output)))
    if not system and not about:
        return tuple(plain)
    return (Message("system", "\n\n".join([*system, *about])), *shown, *plain)


def _told(tools: tuple[Tool, ...], style: ToolStyle) -> tuple[list[str], list[Message]]:
    """What is said about the tools, and the turns that show it."""
    if not tools or style == "none":
        return [], []
    if style == "hermes":
        return [_ABOUT.format(tools=_listed(tools))], []
    reply = reply_name(tools)
    about = _ABOUT_CHOSEN.format(tools=_listed((*tools, Tool(name=reply, **_REPLY))), reply=reply)
    hello, greeting = _SHOWN
    return [about], [Message("user", hello), Message("assistant", greeting.format(reply=reply))]


def _listed(tools: tuple[Tool, ...]) -> str:
    return "\n".join(_signature(tool) for tool in tools)


def _plain(message: Message) -> Message:
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
            texts.append(f"\n{OPEN}\n{call}\n{CLOSE}")
        elif isinstance(part, ToolResult):
            texts.append(f"\n<tool_response>\n{_result(part)}\n</tool_response>")
    role = "user" if message.role == "tool" else message.role
    return Message(role, "".join(texts).removeprefix("\n"))


def _result(result: ToolResult) -> str:
    if isinstance(result.content, str):
        return result.content
    return _plain(Message("user", result.content)).text


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


class ToolCallParser:
    """Takes calls out of an answer as it comes, in whatever pieces; what is no call stays text, to the letter.

    Space around calls isn't text. `inside`: the answer begins within a call whose tag was written for it.
    """

    def __init__(self, *, inside: bool = False) -> None:
        self.calls = 0
        self._held = ""  # text that may be space before a call or part of a tag, or a call's head
        self._inside = inside
        self._arguments: _Value | None = None

    def feed(self, text: str) -> list[str | ToolCallDelta]:
        """Texts, and pieces of calls."""
        out: list[str | ToolCallDelta] = []
        self._held += text
        while self._held:
            if not self._step(out):
                break
        return out

    def close(self) -> list[str | ToolCallDelta]:
        """What was held back, now that nothing more comes."""
        out: list[str | ToolCallDelta] = []
        held, self._held = self._held, ""
        if self._inside and self._arguments is None:
            self._whole(held, out, "")
        elif not self._inside and (held.strip() or not self.calls):
            out.append(held)
        return [piece for piece in out if piece]

    def _step(self, out: list[str | ToolCallDelta]) -> bool:
        """One tag or piece; False where more has to come first."""
        if not self._inside:
            return self._text(out)
        if self._arguments is None:
            return self._begin(out)
        rest = self._arguments.take(self._held)
        if piece := self._held[: len(self._held) - len(rest)]:
            out.append(ToolCallDelta(self.calls - 1, arguments=piece))
        self._held = rest
        if not self._arguments.done:
            return False
        end = self._held.find(CLOSE)
        if end < 0:
            return False
        self._leave(end)
        return True

    def _text(self, out: list[str | ToolCallDelta]) -> bool:
        before, tag, after = self._held.partition(OPEN)
        if tag:
            if before.strip():
                out.append(before.rstrip())
            self._held, self._inside = after, True
            return True
        keep = len(before) - len(before.rstrip())
        start = before.rfind("<")
        if start >= 0 and OPEN.startswith(before[start:]):
            keep = len(before) - len(before[:start].rstrip())
        ready = before[: len(before) - keep]
        if ready:
            out.append(ready)
        self._held = before[len(before) - keep :]
        return False

    def _begin(self, out: list[str | ToolCallDelta]) -> bool:
        head = _HEAD.match(self._held)
        if head is not None:
            out.append(self._named(msgspec.json.decode(head[1], type=str)))
            self._arguments, self._held = _Value(), self._held[head.end() :]
            return True
        end = self._held.find(CLOSE)
        if end < 0:
            return False
        body = self._held[:end]
        self._leave(end)
        self._whole(body, out, CLOSE)
        return True

    def _whole(self, body: str, out: list[str | ToolCallDelta], close: str) -> None:
        """A call that isn't written the usual way, if it is one."""
        try:
            call = msgspec.json.decode(body, type=_Call)
        except msgspec.DecodeError:
            out.append(f"{OPEN}{body}{close}")
            return
        delta = self._named(call.name)
        delta.arguments = _json(call.arguments).decode()
        out.append(delta)

    def _named(self, name: str) -> ToolCallDelta:
        self.calls += 1
        return ToolCallDelta(self.calls - 1, new_id("call"), name)

    def _leave(self, end: int) -> None:
        self._held = self._held[end + len(CLOSE) :]
        self._inside, self._arguments = False, None


class _Call(msgspec.Struct):
    name: str
    arguments: dict[str, Any]


class _Value:
    """Finds the end of a JSON object that comes in pieces."""

    def __init__(self) -> None:
        self.done = False
        self._depth = 0
        self._quoted = self._escaped = False

    def take(self, text: str) -> str:
        """What of `text` comes after the object."""
        if self.done:
            return text
        for at, letter in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = letter == "\\"
                self._quoted = letter != '"'
            elif letter == '"':
                self._quoted = True
            elif letter in "{[":
                self._depth += 1
            elif letter in "}]":
                self._depth -= 1
                if not self._depth:
                    self.done = True
                    return text[at + 1 :]
        return ""
