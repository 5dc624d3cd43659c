"""The line of each key of a TOML text, for error messages: tomllib keeps no positions."""

import re
import tomllib
from typing import Any, TypeGuard

KeyPath = tuple[str, ...]

_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[\w-]+)"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE_LINE = re.compile(rf"\s*\[{{1,2}}\s*({_KEY})\s*\]")
_KEY_LINE = re.compile(rf"\s*({_KEY})\s*=")
_MULTILINE = re.compile(r"\"\"\"|'''")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of each table and key that begins a line; an inline table's keys aren't listed."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    inside: str | None = None  # the quotes of an unclosed multi-line string
    for number, line in enumerate(text.splitlines(), 1):
        if inside is None:
            if found := _TABLE_LINE.match(line):
                table = _path(found[1])
                lines.setdefault(table, number)
            elif found := _KEY_LINE.match(line):
                lines.setdefault((*table, *_path(found[1])), number)
        for quotes in _MULTILINE.findall(line):
            if inside is None:
                inside = quotes
            elif inside == quotes:
                inside = None
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, else of the nearest table around it or key inside it; 1 where there is neither."""
    for length in range(len(path), 0, -1):
        if line := lines.get(path[:length]):
            return line
        if inner := [line for key, line in lines.items() if key[:length] == path[:length]]:
            return min(inner)
    return 1


def _path(key: str) -> KeyPath:
    """`a."b.c"` as its parts, with tomllib's own reading of the quotes."""
    parts: list[str] = []
    node: Any = tomllib.loads(f"{key} = 0")
    while is_table(node):
        ((name, node),) = node.items()
        parts.append(name)
    return tuple(parts)


def is_table(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
