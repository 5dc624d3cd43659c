"""What an upstream's refusal means: status, body and headers in anybody's shape become one tree of errors.

The words that vendors put into `code`, `type` and `status` are rows below and go before the HTTP status: many a
server says 400 for all that is wrong. Shapes: OpenAI `{"error": {message, type, code}}`, Anthropic
`{"type": "error", "error": {type, message}}`, Gemini `{"error": {code, message, status, details}}` (also in a
list), Ollama `{"error": "text"}`, Bedrock `{"message", "__type"}`, FastAPI `{"detail"}`.
Sources (November 2026): openai 3.54, anthropic 2.12, google-genai 3.4, google.rpc.Code; ollama, vllm 0.33.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from perpend.errors import (
    UNREADABLE,
    AccountRefused,
    ContentFiltered,
    ContextTooLong,
    RateLimited,
    Rejected,
    Told,
    UpstreamError,
    UpstreamMalformed,
    UpstreamOverloaded,
    UpstreamTimeout,
)
from perpend.transport.addresses import web_address
from perpend.transport.retry_after import retry_after, retry_delay

_EXCERPT = 300
_TOO_LONG = "prompt is too long"
"""What clients look for, whoever refuses it, before they shorten a conversation: see `errors.PromptTooLong`."""

_NO_MODEL = ("model_not_found", "not_found_error", "not_found", "deploymentnotfound")
_WORDS: dict[str, type[UpstreamError]] = {
    **dict.fromkeys(
        (
            "context_length_exceeded",
            "string_above_max_length",
            "exceed_context_size_error",
            "request_too_large",
        ),
        ContextTooLong,
    ),
    **dict.fromkeys(
        (
            "content_filter",
            "content_policy_violation",
            "responsible_ai_policy_violation",
            "data_inspection_failed",
        ),
        ContentFiltered,
    ),
    **dict.fromkeys(
        (
            "insufficient_quota",
            "billing_error",
            "billing_hard_limit_reached",
            "access_terminated",
            "arrearage",
        ),
        AccountRefused,
    ),
    **dict.fromkeys(
        (
            "authentication_error",
            "permission_error",
            "invalid_api_key",
            "unauthenticated",
            "permission_denied",
        ),
        AccountRefused,
    ),
    **dict.fromkeys(
        (
            "account_deactivated",
            "accessdeniedexception",
            "unrecognizedclientexception",
            "expiredtokenexception",
        ),
        AccountRefused,
    ),
    **dict.fromkeys(_NO_MODEL, AccountRefused),
    **dict.fromkeys(
        ("rate_limit_exceeded", "rate_limit_error", "rate_limit_reached_error", "resource_exhausted"),
        RateLimited,
    ),
    **dict.fromkeys(("throttlingexception", "servicequotaexceededexception"), RateLimited),
    **dict.fromkeys(
        (
            "overloaded_error",
            "engine_overloaded_error",
            "service_unavailable",
            "unavailable",
            "capacity_exceeded",
        ),
        UpstreamOverloaded,
    ),
    **dict.fromkeys(("serviceunavailableexception", "modelnotreadyexception"), UpstreamOverloaded),
    **dict.fromkeys(("timeout_error", "deadline_exceeded", "modeltimeoutexception"), UpstreamTimeout),
    **dict.fromkeys(("server_error", "api_error", "internal_server_error", "internal"), UpstreamError),
}
"""By what vendors call it, in lower case."""

_STATUS: dict[int, type[UpstreamError]] = {
    **dict.fromkeys((400, 405, 409, 411, 413, 415, 422), Rejected),
    **dict.fromkeys((401, 402, 403, 404, 407), AccountRefused),
    **dict.fromkeys((408, 504, 524), UpstreamTimeout),
    429: RateLimited,
    **dict.fromkeys((503, 529), UpstreamOverloaded),
}
"""Where no word says more."""

_SAYS: tuple[tuple[re.Pattern[str], type[UpstreamError]], ...] = (
    (
        re.compile(
            r"context (length|window|size|limit)|maximum context|(prompt|input)( is)? too long|maximum prompt length"
            r"|exceeds? the (maximum|max(imum)? number of) .{0,20}tokens|input token count|exceeded model token limit"
            r"|prompt exceeds max|longer than the (maximum )?model|range of input length"
            r"|reduce the length of the (messages|prompt|input)|tokens`? \+ `?max_(new_)?tokens",
            re.IGNORECASE,
        ),
        ContextTooLong,
    ),
    (re.compile(r"content (management )?polic|content filter|safety system", re.IGNORECASE), ContentFiltered),
    (re.compile(r"credit balance|insufficient balance|api key not valid", re.IGNORECASE), AccountRefused),
)
"""What only the message tells: of requests that are refused without a word of their own."""

_HINTS: dict[type[UpstreamError], str] = {
    ContextTooLong: "shorten the messages, ask for fewer tokens, or use a model with a longer context",
    ContentFiltered: "the vendor's rules refuse this content: change the messages",
    AccountRefused: "check the provider's api_key_env, its credit, base_url and the model's name",
    RateLimited: "the provider limits this account's rate: wait, or add another deployment",
    UpstreamOverloaded: "the provider is too busy: wait, or add another deployment or a fallback",
}

_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"\borgani[sz]ation\b.{0,40}\bverif|\bverif.{0,40}\borgani[sz]ation\b", re.IGNORECASE),
        "verify the organisation with the vendor, or ask for another model",
    ),
    (
        re.compile(r"\btools?\b|\bfunction[ _-]?call", re.IGNORECASE),
        "change the tools or leave them out, or ask a model that takes them",
    ),
    (
        re.compile(r"\bimages?\b|image_url|\bvision\b|multi-?modal", re.IGNORECASE),
        "leave the image out, or ask a model that sees",
    ),
    (
        re.compile(r"response_format|json_schema|structured output|output_config", re.IGNORECASE),
        "change the output format or leave it out, or ask a model that takes it",
    ),
)
"""What helps against a rejection, by what it's about; the first that fits."""


_ACCOUNT = {
    401: "it refuses this server's key",
    402: "it has no credit left for this server",
    403: "it doesn't let this server do that",
}
_INSIDE = re.compile(
    r"(?P<url>[a-z]+://[^\s'\"`<>)\]]+)"
    r"|\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b"
    r"|(?<![\w.:/])/(home|root|usr|opt|srv|var|tmp|etc|mnt|app|data|workspace|Users|private|models|proc|run)/[^\s'\"`,;)\]]+"
    r"|\b[A-Za-z]:\\[^\s'\"`,;)\]]+",
)
"""Of a server's words, what is of its own machine: addresses of its network, paths."""


class _Error(Struct):
    """An error object: fields of any shape, of any type."""

    message: Any = None
    type: Any = None
    code: Any = None
    status: Any = None
    details: Any = None
    param: Any = None
    metadata: Any = None
    """Of a router: what the vendor behind it said, as `raw`."""


class _Body(Struct):
    error: Any = None
    message: Any = None
    detail: Any = None
    code: Any = None
    kind: Any = msgspec.field(default=None, name="__type")
    error_description: Any = None
    """Of OAuth (RFC 6749)."""


_BODY = msgspec.json.Decoder(_Body)
_LIST = msgspec.json.Decoder(list[_Body])


def refusal(
    where: str,
    body: bytes,
    *,
    status: int,
    headers: Mapping[bytes, bytes] | None = None,
    outside: str | None = None,
) -> UpstreamError:
    """The error that a refused request means. `headers` are the response's, in lower case.

    `outside`: what clients know the place by, where that isn't `where`.
    """
    error = _error_in(body)
    said = error.message if isinstance(error.message, str) else body.decode(errors="replace").strip()
    wait = retry_after(headers or {})
    name, answered = outside or where, f"answered {status}"
    refused = _error(error, said, status, f"{where} {answered}", f"{name} {answered}")
    refused.retry_after = retry_delay(error.details) if wait is None else wait
    refused.billed = isinstance(refused, UpstreamTimeout)  # what was refused can't have been paid for
    return refused


def failure(where: str, error: Any) -> UpstreamError:
    """The error that an error object in a response means, decoded in whatever shape; `where` says what happened."""
    told = _Error(message=error) if isinstance(error, str) else _converted(error)
    said = str(told.message or told.type or told.code or "unknown error")
    status = told.code if isinstance(told.code, int) else None
    return _error(told, said, status, where, where)


def says(error: Any) -> bool:
    """There is one: servers send the field empty, too, or an object or a list with nothing in it."""
    inside: Any = error.values() if isinstance(error, dict) else error  # pyright: ignore[reportUnknownVariableType]
    return any(map(says, inside)) if isinstance(error, dict | list) else bool(error)


def _error(told: _Error, said: str, status: int | None, where: str, outside: str) -> UpstreamError:
    kind = _kind(told, said, status)
    field = "messages" if kind in (ContextTooLong, ContentFiltered) else None
    excerpt = said[:_EXCERPT]
    begin = f"{_TOO_LONG}: " if kind is ContextTooLong and _TOO_LONG not in excerpt.lower() else ""
    names = told.param if isinstance(told.param, str) else ""
    hint = _advice(said, names) if kind is Rejected else _HINTS.get(kind)
    error = kind(f"{begin}{where}: {excerpt}", hint=hint, field=field, upstream_status=status)
    error.outside = _outside(error, f"{begin}{outside}", excerpt, told)
    error.said, error.names = said, names
    return error


def _outside(error: UpstreamError, begin: str, excerpt: str, told: _Error) -> Told:
    """Clients read what is said of their request; of a fault of the server's, or of an account that isn't theirs, they
    read that there is one.
    """
    status = error.upstream_status
    if (
        isinstance(error, AccountRefused)
        and status != 404
        and not any(word in _NO_MODEL for word in _words(told))
    ):
        said = f": {_ACCOUNT.get(status or 0, 'it refuses the account of this server')}"
        return Told(f"{begin}{said}", "ask another model, or whoever runs this server")
    if (status or 0) >= 500:
        return Told(begin, error.hint or "send it again, or ask another model")
    return Told(f"{begin}: {_INSIDE.sub(_hidden, excerpt)}", error.hint)


def _hidden(found: re.Match[str]) -> str:
    """But for an address that everybody may know."""
    try:
        return found[0] if found["url"] and not web_address(found["url"]).is_private else "(hidden)"
    except ValueError:
        return "(hidden)"


def _advice(said: str, names: str) -> str:
    advised = (advice for about, advice in _ADVICE if about.search(f"{names} {said}"))
    what = names or "what it names"
    return next(advised, f"change {what} or leave it out; `perpend models show` says how a model is asked")


def _converted(error: Any) -> _Error:
    try:
        return msgspec.convert(error, _Error, from_attributes=True)
    except msgspec.ValidationError:
        return _Error()


def told_in(said: bytes) -> str:
    """What is wrong, by what may be an error object, or no JSON at all; "" where it is neither."""
    if b"{" not in said:
        return said[:_EXCERPT].decode(errors="replace").strip()
    message = _error_in(said).message
    return message[:_EXCERPT] if isinstance(message, str) else ""


def _error_in(body: bytes) -> _Error:
    """The error object of a body in any known shape; empty where there is none."""
    try:
        whole = _LIST.decode(body)[0] if body.lstrip()[:1] == b"[" else _BODY.decode(body)
    except (*UNREADABLE, IndexError):
        return _Error()
    inner = whole.error
    if isinstance(inner, dict):
        return _behind(_converted(inner))
    message = inner if isinstance(inner, str) else whole.message or whole.detail
    if isinstance(whole.error_description, str):
        message = f"{message}: {whole.error_description}"
    return _Error(message=message, type=whole.kind, code=whole.code)


def _behind(error: _Error) -> _Error:
    """What a router passes on says more than that somebody refused."""
    raw: Any = error.metadata.get("raw") if isinstance(error.metadata, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(raw, str) or not raw.strip():
        return error
    inner = _error_in(raw.encode())
    said = inner.message if isinstance(inner.message, str) else raw.strip()
    return structs.replace(inner, message=f"{error.message}: {said}")


def _kind(error: _Error, said: str, status: int | None) -> type[UpstreamError]:
    for word in _words(error):
        if (kind := _WORDS.get(word)) is not None:
            # "server error" may be all that a server has to say, and its status more.
            return _STATUS.get(status or 0, kind) if kind is UpstreamError else kind
    kind = UpstreamError if status is None else _STATUS.get(status, UpstreamError)
    if kind is Rejected or status in (None, 403, 500):
        kind = next((meant for pattern, meant in _SAYS if pattern.search(said)), kind)
    return ContextTooLong if kind is Rejected and status == 413 else kind


def _words(error: _Error) -> Iterator[str]:
    for word in (error.code, error.type, error.status):
        if isinstance(word, str):
            yield word.rpartition("#")[2].lower()


def malformed(where: str, error: Exception, outside: str | None = None) -> UpstreamMalformed:
    """An event that can't be read: damaged JSON, or what isn't UTF-8."""
    what = "it isn't UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    sent = f"sent an event that can't be read: {what}"
    told = Told(f"{outside or where} {sent}", "send it again, or ask another model")
    return UpstreamMalformed(f"{where} {sent}", hint="see the server's log", outside=told)
