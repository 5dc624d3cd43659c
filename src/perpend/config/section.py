"""What the tables of `perpend.toml` are made of."""

from typing import Annotated

from msgspec import Meta, Struct

# Every number has an upper bound, too: TOML knows inf, and integers of any length.
MOST = 10**12
Positive = Annotated[int, Meta(ge=1, le=MOST)]
NonNegative = Annotated[int, Meta(ge=0, le=MOST)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key is an error that names the nearest valid one."""
