"""Options that many commands share."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

from perpend.config.schema import MOST_WORKERS
from perpend.errors import BadRequest, NotFound

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "": 1000}


_MOST = 10_000_000
"""The largest count; the same bound as of HTTP fields."""


def _whole(least: int, most: int) -> Parameter:
    def convert(kind: object, tokens: Sequence[Token]) -> int:
        text = tokens[0].value
        if not re.fullmatch(r"[+-]?\d+", text):
            raise BadRequest(f"{tokens[0].keyword} {text!r} isn't a whole number", field=tokens[0].keyword)
        return int(_within(int(text), tokens[0], least, most))

    return Parameter(converter=convert)


def _degree(kind: object, tokens: Sequence[Token]) -> float:
    return _within(float(tokens[0].value), tokens[0], 0, math.inf)


def _within(value: float, token: Token, least: float, most: float) -> float:
    """The value where it's a finite number in the range. Raises BadRequest, which names the option."""
    if least <= value <= most and math.isfinite(value):
        return value
    range_ = f"at least {least}" if value < least else f"at most {most}" if value > most else "a number"
    raise BadRequest(f"{token.keyword} must be {range_}", field=token.keyword)


Whole = Annotated[int, _whole(-(2**63), 2**63 - 1)]
"""An integer; 1.5 is refused, not rounded."""
Tokens = Annotated[int, _whole(0, _MOST)]
Count = Annotated[int, _whole(1, _MOST)]
Port = Annotated[int, _whole(0, 65_535)]
Workers = Annotated[int, _whole(1, MOST_WORKERS)]
Degree = Annotated[float, Parameter(converter=_degree)]
"""A number of at least 0: neither inf nor nan."""
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""On where it's named; there's no `--no-…`."""
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
THINKING = Parameter(name=["--max-thinking-tokens", "--budget"])
"""The request field's name, and the short word."""
Thinking = Annotated[Tokens | None, THINKING]
Budgets = Annotated[
    tuple[Tokens, ...],
    Parameter(name=["--max-thinking-tokens", "--budgets", "--budget"], consume_multiple=True),
]
"""Several to try."""
EFFORT = Parameter(name=["--effort", "--reasoning-effort"])


def _dollars(kind: object, tokens: Sequence[Token]) -> Decimal:
    token = tokens[0]
    try:
        value = Decimal(token.value.removeprefix("$"))
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise BadRequest(
            f"{token.keyword} {token.value!r} isn't an amount", hint="such as 0.05", field=token.keyword
        )
    return value


Limit = Annotated[tuple[str, ...], Parameter(name="--limit", negative="")]
"""LIMIT=VALUE, several times."""
Dollars = Annotated[Decimal | None, Parameter(name=["--max-cost", "--max-cost-usd"], converter=_dollars)]


def _check_exists(kind: object, file: Path | None) -> None:
    if file is not None and not file.expanduser().is_file():
        raise NotFound(f"no config file at {file}", hint="give the path of a perpend.toml", field="--config")


ConfigFile = Annotated[
    Path | None,
    Parameter(
        name=["--config", "-c"], validator=_check_exists, help="A perpend.toml in place of the usual one."
    ),
]


def milliseconds(text: str | None) -> int | None:
    """Milliseconds of `--deadline`, such as 5s, 500ms or 2m. Raises BadRequest where it isn't a duration."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)(ms|s|m|)", text.strip())
    duration = int(float(match[1]) * _UNITS_MS[match[2]]) if match else 0
    if duration < 1:
        raise BadRequest(f"--deadline {text!r} isn't a time", hint="such as 5s or 500ms", field="--deadline")
    return duration
