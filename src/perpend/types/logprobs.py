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


def logprobs_of(
    text: str, logprobs: tuple[TokenLogprob, ...]
) -> tuple[tuple[TokenLogprob, ...], tuple[TokenLogprob, ...]]:
    """Those of a text's tokens, and the rest: of the texts after it."""
    said = at = 0
    while at < len(logprobs) and said < len(text):
        said += len(logprobs[at].token)
        at += 1
    return logprobs[:at], logprobs[at:]
