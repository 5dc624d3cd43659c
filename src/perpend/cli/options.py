"""Options that many commands share."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

from perpend.errors import BadRequest

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "": 1000}


def _whole(kind: object, tokens: Sequence[Token]) -> int:
    return int(tokens[0].value)


Whole = Annotated[int, Parameter(converter=_whole)]
"""An integer; 1.5 is refused, not rounded."""
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""On where it's named; there's no `--no-…`."""
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
THINKING = Parameter(name=["--max-thinking-tokens", "--budget"])
"""The request field's name, and the short word."""
Thinking = Annotated[Whole | None, THINKING]
Budgets = Annotated[
    tuple[Whole, ...],
    Parameter(name=["--max-thinking-tokens", "--budgets", "--budget"], consume_multiple=True),
]
"""Several to try."""
EFFORT = Parameter(name=["--effort", "--reasoning-effort"])
COST = Parameter(name=["--max-cost", "--max-cost-usd"])
ConfigFile = Annotated[Path | None, Parameter(name=["--config", "-c"])]


def at_least(least: int, value: int | None, option: str) -> int | None:
    """`value`. Raises BadRequest naming `option`."""
    if value is not None and value < least:
        raise BadRequest(f"{option} must be at least {least}", field=option)
    return value


def milliseconds(text: str | None) -> int | None:
    """What `--deadline` says, such as 5s, 500ms or 2m. Raises BadRequest."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|)", text.strip())
    duration = int(float(match[1]) * _UNITS_MS[match[2]]) if match else 0
    if duration < 1:
        raise BadRequest(f"--deadline {text!r} isn't a time", hint="such as 5s or 500ms", field="--deadline")
    return duration
