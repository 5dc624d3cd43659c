"""JSON in an answer: bare, or in a fence of Markdown."""

import re
from typing import Any

import msgspec

_FENCED = re.compile(r"```(?:json)?[^\S\n]*\n(?P<json>.*?)\n[^\S\n]*```", re.DOTALL)


class BadJSON(ValueError):
    """It isn't JSON, or nested too deep."""


def read(answer: str) -> Any:
    """Raises BadJSON."""
    fenced = _FENCED.search(answer)
    try:
        return msgspec.json.decode((fenced["json"] if fenced else answer).encode(errors="replace"))
    except msgspec.DecodeError as error:
        raise BadJSON(str(error)) from None
    except RecursionError:
        raise BadJSON("it's nested too deep") from None
