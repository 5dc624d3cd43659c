"""Lists of items by page (OpenAI's API reference: `after`, `limit`, `order`)."""

import re
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest, NotFound
from perpend.serving.asgi import Scope

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100
_NUMBER = re.compile(r"-?[0-9]{1,18}")


class ItemList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool


def query_of(scope: Scope) -> dict[str, str]:
    """The parameters of the request's query string."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1")))


def number_of(text: str) -> int | None:
    """The whole number in `text`; None for other text, and beyond 18 digits."""
    return int(text) if _NUMBER.fullmatch(text) else None


def limit_of(query: dict[str, str], maximum: int) -> int:
    """The number of items that the query asks for, 1 to `maximum`. Raises BadRequest naming `limit`."""
    limit = query.get("limit", str(_DEFAULT_LIMIT))
    number = number_of(limit)
    if number is None or not 1 <= number <= maximum:
        hint = f"send a number from 1 to {maximum}; it is {_DEFAULT_LIMIT} by default"
        raise BadRequest(f"limit is {limit[:80]!r}", hint=hint, field="limit")
    return number


def page(items: list[dict[str, Any]], scope: Scope) -> bytes:
    """The page that the query asks for, by default the newest items first.

    Raises BadRequest for a wrong parameter, and NotFound for an unknown `after`.
    """
    query = query_of(scope)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequest(f"no such order: {order[:80]!r}", hint="send asc or desc", field="order")
    limit = limit_of(query, _MAX_LIMIT)
    ordered = items if order == "asc" else items[::-1]
    rest = ordered[_start(ordered, query.get("after")) :]
    shown = rest[:limit]
    return page_of(shown, more=len(rest) > len(shown))


def page_of(shown: list[dict[str, Any]], *, more: bool) -> bytes:
    """The JSON body of a page; `more` says that another follows."""
    ids = [item["id"] for item in shown] or [None]
    return msgspec.json.encode(ItemList(data=shown, first_id=ids[0], last_id=ids[-1], has_more=more))


def _start(items: list[dict[str, Any]], after: str | None) -> int:
    if after is None:
        return 0
    for at, item in enumerate(items):
        if item["id"] == after:
            return at + 1
    raise NotFound(
        f"there is no item {after[:80]!r} here", hint="send an id from the previous page", field="after"
    )
