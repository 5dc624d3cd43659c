"""Options that many commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token


def _whole(kind: object, tokens: Sequence[Token]) -> int:
    return int(tokens[0].value)


Whole = Annotated[int, Parameter(converter=_whole)]
"""An integer; 1.5 is refused, not rounded."""
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""On where it's named; there's no `--no-…`."""
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
ConfigFile = Annotated[Path | None, Parameter(name=["--config", "-c"])]
