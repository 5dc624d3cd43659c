"""OpenAI's custom tools, which take free text, as functions with one string argument: `{"input": "the text"}`.

Only dialects and wires that have custom tools use their own form; everything between knows this one.
"""

import json
import re
from typing import Any

import msgspec

from perpend.types.output_spec import CustomToolSpec, Tool

_OPEN = '{"input":"'
_CLOSE = '"}'
_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_PARTIAL_HEAD = re.compile(r'\s*(?:\{\s*(?:"(?:i(?:n(?:p(?:u(?:t(?:"\s*(?::\s*"?)?)?)?)?)?)?)?)?)?')
"""The beginning of a head."""
_HEX = "[0-9a-fA-F]"
_HIGH = rf"\\u[dD][89abAB]{_HEX}{_HEX}"
_PAIR = rf"{_HIGH}\\u{_HEX}{{4}}"
_ESCAPES = re.compile(rf"{_PAIR}|\\u{_HEX}{{4}}|\\.", re.DOTALL)
_SINGLE = rf"{_HIGH}(?=[^\\]|\\[^u])|(?!{_HIGH})\\u{_HEX}{{4}}|\\u(?={_HEX}{{0,3}}(?!{_HEX}).)|\\[^u]"
"""Other escapes, valid in JSON or not, that are certainly not half of a surrogate pair."""
_WHOLE = re.compile(rf'(?:[^"\\]+|{_PAIR}|{_SINGLE})*', re.DOTALL)
"""The complete part of a JSON string."""


def custom_tool(name: str, custom: CustomToolSpec) -> Tool:
    """The custom tool as a function. Its grammar, which nothing enforces, goes into the description."""
    about = [custom.description] if custom.description else []
    if custom.definition:
        about.append(f"Its input has to fit this {custom.syntax} grammar:\n{custom.definition}")
    text = {"type": "string", "description": "All of the tool's input, as plain text."}
    parameters = {
        "type": "object",
        "properties": {"input": text},
        "required": ["input"],
        "additionalProperties": False,
    }
    return Tool(name=name, description="\n\n".join(about), parameters=parameters, custom=custom)


def custom_arguments(text: str) -> str:
    """A custom tool's input as a function's arguments."""
    return f"{_OPEN}{_escaped(text)}{_CLOSE}"


def custom_input(arguments: str) -> str:
    """The custom tool's input in a function's arguments; arguments of another shape are the input as they are."""
    reader = CustomInputReader()
    return reader.feed(arguments) + reader.close()


class CustomArgumentsWriter:
    """`custom_arguments` of text that comes in pieces."""

    def __init__(self) -> None:
        self._open = False

    def feed(self, text: str) -> str:
        head, self._open = "" if self._open else _OPEN, True
        return head + _escaped(text)

    def close(self) -> str:
        return _CLOSE if self._open else _OPEN + _CLOSE


class CustomInputReader:
    """`custom_input` of arguments that come in pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = self._over = False

    def feed(self, arguments: str) -> str:
        """The next part of the input that is certain."""
        if self._over:
            return ""
        self._held += arguments
        if not self._inside:
            head = _HEAD.match(self._held)
            if head is None:
                return ""
            self._inside, self._held = True, self._held[head.end() :]
        whole = _WHOLE.match(self._held)
        end = whole.end() if whole else 0
        text, self._held = self._held[:end], self._held[end:]
        self._over = self._held.startswith('"')
        return _unescaped(text)

    def close(self) -> str:
        """The rest of the input, at the end of the arguments."""
        held, self._held = self._held, ""
        if self._inside or _PARTIAL_HEAD.fullmatch(held):  # cut within an escape, or before the input
            return ""
        return _only_string(held)


def _escaped(text: str) -> str:
    return msgspec.json.encode(text).decode()[1:-1]


def _unescaped(text: str) -> str:
    """The value of a JSON string's inside. Models leave line breaks unescaped, and escape what needs none."""
    return _ESCAPES.sub(_character, text) if "\\" in text else text


def _character(escape: re.Match[str]) -> str:
    try:
        decoded: str = json.loads(f'"{escape[0]}"')
    except ValueError:
        return escape[0][1:]
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _only_string(arguments: str) -> str:
    """The `input` or only string of an object; arguments of another shape as they are."""
    try:
        given = msgspec.json.decode(arguments, type=dict[str, Any])
    except (ValueError, RecursionError):
        return arguments
    text = given.get("input", next(iter(given.values())) if len(given) == 1 else None)
    return text if isinstance(text, str) else arguments
