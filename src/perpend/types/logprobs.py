"""Log-probabilities of an answer's tokens and of their alternatives."""

from msgspec import Struct


class TopLogprob(Struct, frozen=True, kw_only=True):
    """A token that was possible at one place."""

    token: str
    logprob: float
    """The natural logarithm of its probability."""
    bytes: tuple[int, ...] | None = None
    """Its UTF-8 bytes, since a token may be a part of a character; None: the server doesn't give them."""


class TokenLogprob(TopLogprob, frozen=True, kw_only=True):
    """A token of the answer."""

    top_logprobs: tuple[TopLogprob, ...] = ()
    """The most likely tokens at this place, itself among them if it is one."""
