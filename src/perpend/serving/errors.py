"""A PerpendError as an HTTP response in OpenAI's form."""

import logging
import math
import re
import time
import traceback
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from perpend.errors import Overloaded, PerpendError, Rejected

_log = logging.getLogger("perpend.serving")
_REPEAT_S = 60.0
"""Seconds before the same message is logged again."""
_MAX_REPORTED = 512
_NUMBER = re.compile(r"\d+")
_reported: dict[str, float] = {}
"""When each message was last logged (monotonic seconds), by its text without numbers."""

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "upstream_error",
    503: "server_error",
    504: "timeout_error",
}


class ErrorDetail(Struct, frozen=True):
    """What happened, the field that is meant, and what to do about it."""

    message: str
    type: str
    code: str
    param: str | None
    hint: str | UnsetType = UNSET


class ErrorBody(Struct, frozen=True):
    error: ErrorDetail


def body_of(error: PerpendError) -> ErrorBody:
    """The error as OpenAI's error body, the same in an HTTP response and in a stream."""
    kind = _TYPES.get(error.status, "invalid_request_error")
    message, hint = error.client_message
    return ErrorBody(ErrorDetail(message, kind, error.code, error.field, hint or UNSET))


def retry_after(error: PerpendError) -> int | None:
    """Whole seconds that the client should wait, at least 1; None where the error doesn't say."""
    return None if error.retry_after is None else max(1, math.ceil(error.retry_after))


def encoded(error: PerpendError, body: Any = None) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of an error: `body` in the dialect's form, by default OpenAI's."""
    wait = retry_after(error)
    headers = [] if wait is None else [(b"retry-after", str(wait).encode())]
    return HTTPStatus(error.status), headers, msgspec.json.encode(body or body_of(error))


def overloaded(limit: int) -> Overloaded:
    """The error beyond `limit` concurrent requests."""
    return Overloaded(
        f"{limit} requests are being answered already",
        retry_after=1,
        hint="retry after a moment, or raise serve.max_concurrent",
    )


def report(error: PerpendError) -> None:
    """Log in full an error that clients get redacted, the same message at most once a minute.

    Errors about a request aren't logged, because they may quote a prompt.
    """
    if error.redacted is None or isinstance(error, Rejected):
        return
    key, now = _NUMBER.sub("", error.message), time.monotonic()
    if now - _reported.get(key, -_REPEAT_S) < _REPEAT_S:
        return
    if len(_reported) >= _MAX_REPORTED:
        _reported.clear()
    _reported[key] = now
    _log.error("%s: %s", error.code, error.logged)


def unexpected(error: Exception) -> PerpendError:
    """The error that a client gets for a bug in Perpend.

    The log gets the stack without the exception's message, which may quote a prompt.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unexpected %s\n%s", type(error).__name__, frames)
    return PerpendError("something went wrong inside Perpend", hint="see the server's log")
