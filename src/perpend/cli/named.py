"""Read options that are a name, a JSON object, a text or a file."""

import re
from pathlib import Path
from typing import Any

import msgspec

from perpend.errors import UNREADABLE, BadRequest, NotFound

_LONGEST_NAME = 255


def named(text: str, option: str) -> Any:
    """A name, or a JSON object with name and options. Raises BadRequest where it isn't JSON."""
    if not text.startswith("{"):
        return text
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except UNREADABLE as error:
        hint = 'such as \'{"name": "best_of_n", "n": 4}\''
        raise BadRequest(f"{option} isn't JSON: {error}", hint=hint, field=option) from None


def text_of(value: str) -> str:
    """The contents of a file of this name, else the text itself. Raises NotFound for a missing file's name."""
    if (file := file_of(value)) is not None:
        return file.read_text(encoding="utf-8-sig")
    if value.strip() and not re.search(r"\s", value) and Path(value).suffix:
        raise NotFound(f"{value}: no such file", hint="a text of several words is taken as it is")
    return value


def file_of(value: str) -> Path | None:
    """The file of this name, where there is one."""
    path = Path(value)
    return path if len(value) <= _LONGEST_NAME and "\n" not in value and path.is_file() else None
