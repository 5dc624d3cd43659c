"""How long to wait before an upstream is asked again, in seconds, from any vendor's headers or body.

Read are `retry-after` in seconds or as a date (RFC 9110, section 10.2.3), `retry-after-ms` (OpenAI, Azure), the reset
times of used-up rate limits (`x-ratelimit-remaining-*` and `-reset-*`; Anthropic's `anthropic-ratelimit-*-reset`), and
google.rpc.RetryInfo in the body.
"""

import datetime
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
from msgspec import Struct

_MAX_WAIT_S = 86_400.0


def retry_after(headers: Mapping[bytes, bytes]) -> float | None:
    """Seconds to wait, at most a day; None where the headers don't say."""
    if (millis := _number(headers.get(b"retry-after-ms"))) is not None:
        return _bounded(millis / 1000)
    if after := headers.get(b"retry-after"):
        seconds = _number(after)
        return _bounded(_until(after) if seconds is None else seconds)
    waits = [_reset(headers, name) for name in headers if b"ratelimit" in name and b"reset" in name]
    return max((wait for wait in waits if wait is not None), default=None)


def _reset(headers: Mapping[bytes, bytes], name: bytes) -> float | None:
    """Seconds until a used-up limit is reset: from `1m30.5s`, `20ms`, Unix seconds or milliseconds, or a date."""
    remaining = _number(headers.get(name.replace(b"reset", b"remaining")))
    if remaining is not None and remaining > 0:
        return None
    value = headers[name]
    if (number := _number(value)) is None:
        seconds = _duration(value.decode("latin-1"))
        return _bounded(_until(value) if seconds is None else seconds)
    now = datetime.datetime.now(datetime.UTC).timestamp()
    if number > now * 100:
        number /= 1000
    return _bounded(number - now if number > now / 2 else number)


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


def _duration(text: str) -> float | None:
    spans = _SPAN.findall(text)
    if not spans or "".join(number + unit for number, unit in spans) != text.strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in spans)


def _until(value: bytes) -> float | None:
    """Seconds until a date as HTTP or RFC 3339 writes it."""
    text = value.decode("latin-1").strip()
    try:
        moment = parsedate_to_datetime(text) if "," in text else datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - datetime.datetime.now(datetime.UTC)).total_seconds()


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value or b"")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(seconds, 0.0), _MAX_WAIT_S)


class _RetryInfo(Struct):
    retryDelay: str = ""  # noqa: N815 -- Google's name


def retry_delay(details: Any) -> float | None:
    """Seconds from google.rpc.RetryInfo, `{"retryDelay": "34s"}`, among an error's details; None: there is none."""
    try:
        infos = msgspec.convert(details, list[_RetryInfo])
    except msgspec.ValidationError:
        return None
    return next((_bounded(_duration(info.retryDelay)) for info in infos if info.retryDelay), None)
