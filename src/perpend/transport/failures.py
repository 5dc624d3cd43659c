"""What an upstream's refusal means: status, body and headers of any vendor become one tree of errors.

The words that vendors put into `code`, `type` and `status` are rows below and go before the HTTP status, since some
servers answer 400 whatever is wrong. Shapes: OpenAI `{"error": {message, type, code}}`, Anthropic
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
    ClientMessage,
    ContentFiltered,
    ContextTooLong,
    RateLimited,
    Rejected,
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
"""By the vendor's word, in lower case."""

_STATUS: dict[int, type[UpstreamError]] = {
    **dict.fromkeys((400, 405, 409, 411, 413, 415, 422), Rejected),
    **dict.fromkeys((401, 402, 403, 404, 407), AccountRefused),
    **dict.fromkeys((408, 504, 524), UpstreamTimeout),
    429: RateLimited,
    **dict.fromkeys((503, 529), UpstreamOverloaded),
}
"""By the HTTP status, where no word says more."""

_PHRASES: tuple[tuple[re.Pattern[str], type[UpstreamError]], ...] = (
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
"""By a phrase in the message, where neither code nor type says what is wrong."""

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
_INTERNAL = re.compile(
    r"(?P<url>[a-z]+://[^\s'\"`<>)\]]+)"
    r"|\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b"
    r"|(?<![\w.:/])/(home|root|usr|opt|srv|var|tmp|etc|mnt|app|data|workspace|Users|private|models|proc|run)/[^\s'\"`,;)\]]+"
    r"|\b[A-Za-z]:\\[^\s'\"`,;)\]]+",
)
"""What in a server's message is of its own machine: addresses of its network, paths."""


class _Error(Struct):
    """An error object: fields of any shape, of any type."""

    message: Any = None
    type: Any = None
    code: Any = None
    status: Any = None
    details: Any = None
    param: Any = None
    metadata: Any = None
    """A router's, with the vendor's own body as `raw`."""


class _Body(Struct):
    error: Any = None
    message: Any = None
    detail: Any = None
    code: Any = None
    kind: Any = msgspec.field(default=None, name="__type")
    error_description: Any = None
    """OAuth's (RFC 6749, section 5.2)."""


_BODY = msgspec.json.Decoder(_Body)
_LIST = msgspec.json.Decoder(list[_Body])


def refusal(
    where: str,
    body: bytes,
    *,
    status: int,
    headers: Mapping[bytes, bytes] | None = None,
    public_name: str | None = None,
) -> UpstreamError:
    """The error that a refused request means. `headers` are the response's, their names in lower case.

    `where`: the server, for the log; `public_name`: what clients know it by, None: as `where`.
    """
    error = _error_in(body)
    message = error.message if isinstance(error.message, str) else body.decode(errors="replace").strip()
    wait = retry_after(headers or {})
    name, answered = public_name or where, f"answered {status}"
    refused = _upstream_error(error, message, status, f"{where} {answered}", f"{name} {answered}")
    refused.retry_after = retry_delay(error.details) if wait is None else wait
    refused.billed = isinstance(refused, UpstreamTimeout)  # what was refused can't have been paid for
    return refused


def failure(where: str, error: Any) -> UpstreamError:
    """The error that a decoded error object means, whatever its shape; `where` says what happened."""
    decoded = _Error(message=error) if isinstance(error, str) else _converted(error)
    message = str(decoded.message or decoded.type or decoded.code or "unknown error")
    status = decoded.code if isinstance(decoded.code, int) else None
    return _upstream_error(decoded, message, status, where, where)


def says(error: Any) -> bool:
    """Whether an error field holds an error: servers also send it as null, "", or an object or list of nothing."""
    inside: Any = error.values() if isinstance(error, dict) else error  # pyright: ignore[reportUnknownVariableType]
    return any(map(says, inside)) if isinstance(error, dict | list) else bool(error)


def _upstream_error(
    decoded: _Error, message: str, status: int | None, where: str, public_where: str
) -> UpstreamError:
    kind = _kind(decoded, message, status)
    field = "messages" if kind in (ContextTooLong, ContentFiltered) else None
    excerpt = message[:_EXCERPT]
    begin = f"{_TOO_LONG}: " if kind is ContextTooLong and _TOO_LONG not in excerpt.lower() else ""
    param = decoded.param if isinstance(decoded.param, str) else ""
    hint = _advice(message, param) if kind is Rejected else _HINTS.get(kind)
    error = kind(f"{begin}{where}: {excerpt}", hint=hint, field=field, upstream_status=status)
    error.redacted = _redacted(error, f"{begin}{public_where}", excerpt, decoded)
    error.upstream_message, error.upstream_param = message, param
    return error


def _redacted(error: UpstreamError, begin: str, excerpt: str, decoded: _Error) -> ClientMessage:
    """What clients read: the vendor's words about their request; of a fault of the server or of its account, only that
    there is one.
    """
    status = error.upstream_status
    if (
        isinstance(error, AccountRefused)
        and status != 404
        and not any(word in _NO_MODEL for word in _words(decoded))
    ):
        reason = _ACCOUNT.get(status or 0, "it refuses the account of this server")
        return ClientMessage(f"{begin}: {reason}", "ask another model, or whoever runs this server")
    if (status or 0) >= 500:
        return ClientMessage(begin, error.hint or "send it again, or ask another model")
    return ClientMessage(f"{begin}: {_INTERNAL.sub(_hidden, excerpt)}", error.hint)


def _hidden(found: re.Match[str]) -> str:
    """(hidden), unless it is a public web address."""
    try:
        return found[0] if found["url"] and not web_address(found["url"]).is_private else "(hidden)"
    except ValueError:
        return "(hidden)"


def _advice(message: str, param: str) -> str:
    advised = (advice for about, advice in _ADVICE if about.search(f"{param} {message}"))
    what = param or "what it names"
    return next(advised, f"change {what} or leave it out; `perpend models show` says how a model is asked")


def _converted(error: Any) -> _Error:
    try:
        return msgspec.convert(error, _Error, from_attributes=True)
    except msgspec.ValidationError:
        return _Error()


def error_message_in(body: bytes) -> str:
    """The message of an error object, or the whole of a body without JSON, shortened; "" where there is neither."""
    if b"{" not in body:
        return body[:_EXCERPT].decode(errors="replace").strip()
    message = _error_in(body).message
    return message[:_EXCERPT] if isinstance(message, str) else ""


def _error_in(body: bytes) -> _Error:
    """The error object of a body in any known shape; empty where there is none."""
    try:
        whole = _LIST.decode(body)[0] if body.lstrip()[:1] == b"[" else _BODY.decode(body)
    except (*UNREADABLE, IndexError):
        return _Error()
    inner = whole.error
    if isinstance(inner, dict):
        return _unwrapped(_converted(inner))
    message = inner if isinstance(inner, str) else whole.message or whole.detail
    if isinstance(whole.error_description, str):
        message = f"{message}: {whole.error_description}"
    return _Error(message=message, type=whole.kind, code=whole.code)


def _unwrapped(error: _Error) -> _Error:
    """The vendor's own error, where a router such as OpenRouter passes it on as `metadata.raw`."""
    raw: Any = error.metadata.get("raw") if isinstance(error.metadata, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(raw, str) or not raw.strip():
        return error
    inner = _error_in(raw.encode())
    message = inner.message if isinstance(inner.message, str) else raw.strip()
    return structs.replace(inner, message=f"{error.message}: {message}")


def _kind(error: _Error, message: str, status: int | None) -> type[UpstreamError]:
    for word in _words(error):
        if (kind := _WORDS.get(word)) is not None:
            # "server error" may be all that a server has to say, and its status more.
            return _STATUS.get(status or 0, kind) if kind is UpstreamError else kind
    kind = UpstreamError if status is None else _STATUS.get(status, UpstreamError)
    if kind is Rejected or status in (None, 403, 500):
        kind = next((meant for pattern, meant in _PHRASES if pattern.search(message)), kind)
    return ContextTooLong if kind is Rejected and status == 413 else kind


def _words(error: _Error) -> Iterator[str]:
    """The error's code, type and status as words of `_WORDS`."""
    for word in (error.code, error.type, error.status):
        if isinstance(word, str):
            yield word.rpartition("#")[2].lower()


def malformed(where: str, error: Exception, public_name: str | None = None) -> UpstreamMalformed:
    """The error for an event that can't be read: damaged JSON, or bytes that aren't UTF-8."""
    what = "it isn't UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    sent = f"sent an event that can't be read: {what}"
    public = ClientMessage(f"{public_name or where} {sent}", "send it again, or ask another model")
    return UpstreamMalformed(f"{where} {sent}", hint="see the server's log", redacted=public)
