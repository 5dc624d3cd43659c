"""Parses the JSON of an answer: bare, or in a Markdown fence."""

import re
from typing import Any

import msgspec

_FENCED = re.compile(r"```(?:json)?[^\S\n]*\n(?P<json>.*?)\n[^\S\n]*```", re.DOTALL)


class BadJSON(ValueError):
    """The answer isn't JSON, or nested too deep."""


def parse_json_answer(answer: str) -> Any:
    """The value. Raises BadJSON."""
    fenced = _FENCED.search(answer)
    try:
        return msgspec.json.decode((fenced["json"] if fenced else answer).encode(errors="replace"))
    except msgspec.DecodeError as error:
        raise BadJSON(str(error)) from None
    except RecursionError:
        raise BadJSON("it's nested too deep") from None
