"""How likely a model found the tokens that it said, and others in their place."""

from msgspec import Struct


class TopLogprob(Struct, frozen=True, kw_only=True):
    token: str
    logprob: float
    """The natural logarithm of its probability."""
    bytes: tuple[int, ...] | None = None
    """In UTF-8; None where the server doesn't say: a token may be a part of a character."""


class TokenLogprob(TopLogprob, frozen=True, kw_only=True):
    """A token of the answer."""

    top_logprobs: tuple[TopLogprob, ...] = ()
    """The likeliest at this place, itself among them where it is one."""
