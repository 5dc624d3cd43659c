"""Options that name something, with or without options of its own."""

from pathlib import Path
from typing import Any

import msgspec

from perpend.errors import BadRequest

_LONGEST_NAME = 255


def named(text: str, option: str) -> Any:
    """A name, or the object that the text is as JSON. Raises BadRequest."""
    if not text.startswith("{"):
        return text
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        hint = 'such as \'{"name": "best_of_n", "n": 4}\''
        raise BadRequest(f"{option} isn't JSON: {error}", hint=hint, field=option) from None


def text_of(given: str) -> str:
    """What a file of this name holds, else the text itself."""
    path = Path(given)
    if "\n" in given or len(given) > _LONGEST_NAME or not path.is_file():
        return given
    return path.read_text(encoding="utf-8")
