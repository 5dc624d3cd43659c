"""Tools that take free text (OpenAI's custom tools), as functions with one string: `{"input": "the text"}`.

All that lies between a dialect and a wire that have such tools knows them in this form alone.
"""

import json
import re
from typing import Any

import msgspec

from perpend.types.output_spec import CustomToolSpec, Tool

_OPEN = '{"input":"'
_CLOSE = '"}'
_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_HEADS = re.compile(r'\s*(?:\{\s*(?:"(?:i(?:n(?:p(?:u(?:t(?:"\s*(?::\s*"?)?)?)?)?)?)?)?)?)?')
"""What may still become a head."""
_HEX = "[0-9a-fA-F]"
_HIGH = rf"\\u[dD][89abAB]{_HEX}{_HEX}"
_PAIR = rf"{_HIGH}\\u{_HEX}{{4}}"
_ESCAPES = re.compile(rf"{_PAIR}|\\u{_HEX}{{4}}|\\.", re.DOTALL)
_ALONE = rf"{_HIGH}(?=[^\\]|\\[^u])|(?!{_HIGH})\\u{_HEX}{{4}}|\\u(?={_HEX}{{0,3}}(?!{_HEX}).)|\\[^u]"
"""Other escapes, JSON's own or not, once it's certain that they are no half of a pair."""
_WHOLE = re.compile(rf'(?:[^"\\]+|{_PAIR}|{_ALONE})*', re.DOTALL)
"""Of a JSON string, what is complete."""


def custom_tool(name: str, custom: CustomToolSpec) -> Tool:
    """It as a function; a grammar that nothing enforces is told in words."""
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
    """The other way; whatever else a model wrote is the input as it stands."""
    reading = CustomInputReader()
    return reading.feed(arguments) + reading.close()


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
        """What of the text is certain by now."""
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
        return _read(text)

    def close(self) -> str:
        """What is left, now that nothing more comes."""
        held, self._held = self._held, ""
        if self._inside or _HEADS.fullmatch(held):  # cut in the middle of an escape, or before the text
            return ""
        return _other(held)


def _escaped(text: str) -> str:
    return msgspec.json.encode(text).decode()[1:-1]


def _read(text: str) -> str:
    """A JSON string's inside. Models leave line ends in it as they are, and escape what needs none."""
    return _ESCAPES.sub(_letter, text) if "\\" in text else text


def _letter(escape: re.Match[str]) -> str:
    try:
        said: str = json.loads(f'"{escape[0]}"')
    except ValueError:
        return escape[0][1:]
    return said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _other(arguments: str) -> str:
    """An object with one string in it means that string."""
    try:
        given = msgspec.json.decode(arguments, type=dict[str, Any])
    except (ValueError, RecursionError):
        return arguments
    text = given.get("input", next(iter(given.values())) if len(given) == 1 else None)
    return text if isinstance(text, str) else arguments
