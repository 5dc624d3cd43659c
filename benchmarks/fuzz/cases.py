"""One case: the bytes of a request, from a seed and a number alone."""

import gzip
import re
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple

from . import grammar
from .bodies import ASKED, ENDPOINTS
from .mutate import ODD_TEXTS, mutated, slots, spoiled, written


class Case(NamedTuple):
    """`@response@` and `@conversation@` in it stand for ids that the gateway gave."""

    number: int
    kind: str
    request: bytes
    whole: bool
    """It's HTTP: it must be answered, and its connection may be used again."""
    head_only: bool = False
    """Its answer has no body."""

    @property
    def line(self) -> str:
        return self.request.partition(b"\r\n")[0][:160].decode("latin-1")


METHODS = (
    *("GET", "POST", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "get", "PROPFIND", "M-SEARCH"),
    "PURGE",
)
TARGETS = (
    *("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/models", "/v1/models/chat"),
    *("/v1/models/%00", "/v1", "/v1/models/a/b/../c", "/v1/models/x.gguf", "/v1/models/%ff"),
    *("/v1/models/%F0%9F%98%80", "/v1/modles", "//", "/..;/"),
    *("/v1/responses/@response@", "/v1/responses/@response@/input_items", "/v1/responses/@response@/cancel"),
    *("/v1/responses/x", "/v1/responses/%2e%2e", "/v1/responses/ü", "/v1/responses/" + "x" * 9000),
    *("/v1/responses//", "/v1/conversations/@conversation@", "/v1/conversations/@conversation@/items"),
    *("/v1/conversations/x/items/y", "/v1/chat/completions/", "/v1//chat/completions"),
    *("/V1/CHAT/COMPLETIONS", "/v1/chat/completions;x", "/v1/chat%2fcompletions", "/favicon.ico"),
    *("/admin", "/v1/keys", "/v1/files", "/v1/jobs", "/v1/batches", "/.env", "/%", "/%zz", "/\\"),
    *("/\u00e9", "*", "http://127.0.0.1/healthz", "http://name.invalid/v1/models", "healthz"),
    *("/healthz#x", "/?", "/" + "a/" * 3000),
)
QUERIES = (
    *("", "", "limit=1", "limit=0", "limit=x", "limit=" + "9" * 5000, "limit=٣", "limit=²", "limit=-1"),
    *("order=asc", "order=x", "after=x", "after=%00", "after=%ff", "after_id=chat"),
    *("before_id=raw&limit=1", "before_id=nobody", "limit=1&limit=2", "stream=true"),
    *("stream=true&starting_after=0", "stream=true&starting_after=-5", "stream=true&starting_after=--1"),
    *("stream=true&starting_after=" + "9" * 5000, "stream=true&starting_after=²", "stream=1"),
    *("include[]=x", "=", "&&", "%", "a" * 9000),
)
HEADERS = (
    *("authorization: Bearer nobody", "authorization: Basic eDp5", "authorization:"),
    *("authorization: Bearer \xff\xfe", "x-api-key: é", "content-type: text/plain"),
    *("content-type: application/x-www-form-urlencoded", "content-type: application/json; charset=utf-16"),
    *("content-type: multipart/form-data; boundary=x", "content-type:", "content-type: \xff"),
    *("content-encoding: gzip", "content-encoding: br", "accept: text/html", "accept: */*;q=0"),
    *("accept-encoding: identity;q=0", "accept-language: \xff", "anthropic-version: 2023-06-01"),
    *("anthropic-version: x", "anthropic-beta: x,y", "openai-organization: x", "x-stainless-os: x"),
    *("origin: http://evil.invalid", "origin: null", "origin: http://[", "origin: \xff"),
    *("sec-fetch-site: cross-site", "x-request-id: x", "x-forwarded-for: 127.0.0.1", "forwarded: for=_"),
    *("cookie: " + "a=b;" * 900, "range: bytes=0-1", "te: trailers", "if-none-match: *"),
    *("upgrade: websocket", "upgrade: h2c", "connection: upgrade", "expect: 100-continue", "expect: x"),
)
HOSTS = ("x", "", "localhost", "name.invalid", "[::1]:80", "127.0.0.1:99999", "a b", "\xff", "[", "x" * 300)
BROKEN = (
    *(b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"),
    *(b"GET / HTTP/0.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    *(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 300, b"\r\n" * 2000),
    *(b"GET / HTTP/1.1\nhost: x\n\n", b"GET / HTTP/1.1\r\n host: x\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n"),
    *(b"GET / HTTP/1.1\r\nx\r\n\r\n", b"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n"),
    *(b"GET  /  HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\na: \0\r\n\r\n", b"GET /\0 HTTP/1.1\r\n\r\n"),
    *(b"\0" * 900, b"\xff" * 900, b"CONNECT x:1 HTTP/1.1\r\n\r\n"),
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
    b"GET / HTTP/1.1\r\na: " + b"b" * 70_000 + b"\r\n\r\n",
    *(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
    *(b"{}", b"", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 30),
)
FRAMINGS: tuple[Callable[[bytes], tuple[str, bytes]], ...] = (
    lambda body: ("transfer-encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)),
    lambda body: ("transfer-encoding: chunked", b"%x;a=b\r\n%b\r\n0\r\nx: y\r\n\r\n" % (len(body), body)),
    lambda body: (
        "transfer-encoding: chunked",
        b"".join([b"1\r\n%c\r\n" % one for one in body[:400]]) + b"0\r\n\r\n",
    ),
    lambda body: ("transfer-encoding: chunked", b"zz\r\n%b" % body),
    lambda body: ("transfer-encoding: chunked", b"ffffffffffffffffff\r\n%b" % body),
    lambda body: ("transfer-encoding: chunked", b"-1\r\n%b\r\n0\r\n\r\n" % body),
    lambda body: ("transfer-encoding: chunked", body),
    lambda body: ("transfer-encoding: gzip", body),
    lambda body: ("transfer-encoding: chunked, chunked", body),
    lambda body: (f"content-length: {len(body)}\r\ntransfer-encoding: chunked", b"0\r\n\r\n" + body),
    lambda body: (f"content-length: {len(body)}\r\ncontent-length: {len(body)}", body),
    lambda body: (f"content-length: {len(body)}\r\ncontent-length: {len(body) + 1}", body),
    lambda body: (f"content-length: {len(body) + 9}", body),
    lambda body: (f"content-length: {len(body) // 2}", body),
    lambda body: ("content-length: -1", body),
    lambda body: ("content-length: x", body),
    lambda body: ("content-length: 0x5", body),
    lambda body: ("content-length: +5", body),
    lambda body: ("content-length: " + "9" * 30, body),
    lambda body: ("x: y", body),
)
_PLAIN = re.compile(r"(?<!\\)\\u(00[a-f89][0-9a-f]|0[1-9a-f][0-9a-f]{2}|[1-9a-ce-f][0-9a-f]{3})")
"""An escape that stands for a letter alone."""
_MADE = {"@address@": grammar.address, "@pdf@": grammar.document}


def case(seed: int, number: int, key: str) -> Case:
    """`key` lets it in."""
    rng = Random(f"{seed} {number}")
    (made,) = rng.choices(list(_SHARES), list(_SHARES.values()))
    return made(rng, number, key)


def _said(rng: Random) -> tuple[str, Any]:
    """An endpoint, and a body for it that may be right."""
    path = rng.choices(list(ENDPOINTS), [one.weight for one in ENDPOINTS.values()])[0]
    endpoint = ENDPOINTS[path]
    body = deepcopy({**rng.choice(endpoint.bodies), **(grammar.fields(rng) if endpoint.own else {})})
    for slot in slots(body):
        value = slot.holder[slot.at]
        if not isinstance(value, str):
            continue
        if value in _MADE:
            slot.holder[slot.at] = _MADE[value](rng)
        elif value and slot.at in ("content", "text", "input", "prompt") and rng.random() < 0.3:
            slot.holder[slot.at] = rng.choice(grammar.TEXTS)
    return path, body


def _request(
    method: str, target: str, body: bytes, key: str, *headers: str, host: str = "127.0.0.1"
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}", f"authorization: Bearer {key}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1", errors="replace") + body


def _posted(path: str, body: bytes, key: str, *headers: str) -> bytes:
    return _request(
        "POST", path, body, key, "content-type: application/json", f"content-length: {len(body)}", *headers
    )


def _body(rng: Random, number: int, key: str) -> Case:
    path, body = _said(rng)
    mutated(rng, body, rng.choices((0, 1, 2, 3, 6), (30, 40, 18, 8, 4))[0])
    return Case(number, "body", _posted(path, _encoded(rng, body), key), whole=True)


def _verifier(rng: Random, number: int, key: str) -> Case:
    """What is right but for its verifier, perhaps."""
    path = rng.choice(tuple(ASKED))
    text = rng.choice(grammar.ANSWERS)
    asked = {ASKED[path]: [{"role": "user", "content": text}] if ASKED[path] == "messages" else text}
    own = deepcopy(
        {
            "verifier": grammar.verifier(rng),
            **({"strategy": grammar.strategy(rng)} if rng.random() < 0.5 else {}),
        }
    )
    if rng.random() < 0.3:
        mutated(rng, own, 1)
    body = {"model": rng.choice(grammar.SERVED), **asked, **own, "stream": rng.random() < 0.3}
    return Case(number, "verifier", _posted(path, _encoded(rng, body), key), whole=True)


def _encoded(rng: Random, body: Any) -> bytes:
    """Its letters as they are, or as escapes; what can't be sent as it is, is always escaped."""
    text = written(body)
    if rng.random() < 0.5:
        return text.encode("ascii", errors="replace")
    return _PLAIN.sub(lambda match: chr(int(match[1], 16)), text).encode("utf-8", errors="replace")


def _spoiled(rng: Random, number: int, key: str) -> Case:
    path, body = _said(rng)
    sent = spoiled(rng, _encoded(rng, body))
    if rng.random() < 0.05:
        return Case(
            number,
            "spoiled",
            _posted(path, gzip.compress(sent, 1, mtime=0), key, "content-encoding: gzip"),
            whole=True,
        )
    return Case(number, "spoiled", _posted(path, sent, key), whole=True)


def _target(rng: Random, number: int, key: str) -> Case:
    method, target, query = rng.choice(METHODS), rng.choice((*TARGETS, *ENDPOINTS)), rng.choice(QUERIES)
    if rng.random() < 0.1:
        at = rng.randrange(1, len(target) + 1)
        target = target[:at] + rng.choice(ODD_TEXTS)[:900] + target[at:]
    target = f"{target}?{query}" if query else target
    whole = target.isascii() and target.isprintable() and " " not in target
    head = "content-length: 0"
    return Case(
        number,
        "target",
        _request(method, target, b"", key, head),
        whole and method in METHODS[:7],
        method == "HEAD",
    )


def _headers(rng: Random, number: int, key: str) -> Case:
    path, body = _said(rng)
    sent = _encoded(rng, body)
    more = rng.sample(HEADERS, rng.choice((1, 2, 4, 9)))
    if rng.random() < 0.1:
        more += [f"{rng.choice(ODD_TEXTS)[:99]}: {rng.choice(ODD_TEXTS)[:99]}"]
    request = _request(
        *("POST", path, sent, key if rng.random() < 0.8 else "", f"content-length: {len(sent)}"),
        *more,
        host=rng.choice(HOSTS),
    )
    return Case(number, "headers", request, whole=False)


def _framing(rng: Random, number: int, key: str) -> Case:
    path, body = _said(rng)
    head, sent = rng.choice(FRAMINGS)(_encoded(rng, body))
    return Case(number, "framing", _request("POST", path, sent, key, head), whole=False)


def _broken(rng: Random, number: int, key: str) -> Case:
    sent = rng.choice(BROKEN)
    if rng.random() < 0.5:
        path, body = _said(rng)
        whole = _posted(path, _encoded(rng, body), key)
        sent = whole[: rng.randrange(len(whole))] + (sent if rng.random() < 0.5 else b"")
    return Case(number, "broken", sent, whole=False)


_SHARES: dict[Callable[[Random, int, str], Case], int] = {
    _body: 58,
    _verifier: 20,
    _spoiled: 8,
    _target: 6,
    _headers: 4,
    _framing: 2,
    _broken: 2,
}
"""Of a hundred cases."""
