"""Every error that Perpend raises on purpose, with its HTTP status, code and hint.

    PerpendError                500 internal_error
    ├── BadRequest              400 invalid_request_error   names the field
    │   ├── NotFound            404 not_found               no such model, strategy, key, job …
    │   │   └── ThreadNotFound  404 thread_not_found        a conversation of messages that isn't held here
    │   ├── MethodNotAllowed    405 method_not_allowed
    │   ├── UpgradeRefused      426 upgrade_refused         a WebSocket: the same goes over HTTP
    │   ├── PromptTooLong       400 context_length_exceeded over the model's context, before anybody was asked
    │   ├── TooLarge            413 request_too_large       a body beyond its bound
    │   ├── HeadTooLarge        431 head_too_large          a head beyond its bounds
    │   └── HeadTimeout         408 head_timeout            a head that didn't come in time
    ├── ConfigError             500 config_error            perpend.toml or the environment: names file:line
    │   └── NoAccount           404 no_account              a client names a provider where this server has no key
    ├── Unauthenticated         401 authentication_error
    ├── Forbidden               403 permission_denied       the key, its user or its team may not have that
    ├── CapReached              402 cap_reached             no room left under a dollar cap
    ├── Overloaded              429 rate_limit_error        carries retry_after
    ├── DeadlineTooShort        504 deadline_exceeded       no time for any answer
    ├── UpstreamError           502 upstream_error          it broke, or can't be reached; names what was tried
    │   ├── UpstreamTimeout     504 upstream_timeout        no connection, no first token, silence, or no end
    │   ├── UpstreamMalformed   502 upstream_malformed      not HTTP, not SSE, not JSON, not UTF-8
    │   ├── UpstreamOverloaded  503 upstream_overloaded     too busy; may carry retry_after
    │   │   ├── RateLimited     429 upstream_rate_limit     this account's limit; may carry retry_after
    │   │   └── EngineDied      503 engine_error            in the middle; carries retry_after
    │   ├── VerifierFailed      502 verifier_failed         one of the user's own broke, or said nothing readable
    │   ├── AccountRefused      502 upstream_auth           wrong key, no permission, no credit, no such model
    │   └── Rejected            400 upstream_rejected       it can't take this request, here or anywhere
    │       ├── ContextTooLong  400 context_length_exceeded names messages
    │       └── ContentFiltered 400 content_filter          names messages
    ├── EngineError             503 engine_error            can't start or keep running; may carry retry_after
    │   └── WeightsError        503 weights_error           pull, checksum, disk space
    ├── SandboxUnavailable      503 sandbox_unavailable     nothing here contains a program; says why
    └── StorageError            500 storage_error
        └── StoreUnavailable    503 store_unavailable       nothing is begun that couldn't be recorded; retry_after

`message` says what happened, `hint` what to do about it, `field` which input is meant. They are for who runs the
program. Where they name addresses, paths or lines of a log, `redacted` is what clients of the gateway get instead.
"""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple, Self


class ClientMessage(NamedTuple):
    """An error's message and hint as a client of the gateway gets them."""

    message: str
    hint: str | None = None


_LATER = "send it again later; whoever runs this server finds the reason in its log"

UNREADABLE = (ValueError, RecursionError)
"""What decoding foreign data raises: no JSON, another shape, not UTF-8, or nested too deep."""


class PerpendError(Exception):
    """Base of the tree. `status` (HTTP) and `code` belong to the class, message and hint to the instance."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    redacted: ClientMessage | None = None
    """For clients, in place of message and hint; None: they may read those."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        field: str | None = None,
        retry_after: float | None = None,
        redacted: ClientMessage | None = None,
    ) -> None:
        """`field`: the path of the input at fault. `retry_after`: seconds after which the same request may succeed."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field
        self.retry_after = retry_after
        if redacted is not None:
            self.redacted = redacted

    @property
    def client_message(self) -> ClientMessage:
        """What clients get: `redacted`, else message and hint."""
        return self.redacted or ClientMessage(self.message, self.hint)

    @property
    def logged(self) -> str:
        """Message and hint for a log, continuation lines indented: foreign text can't pass for a log line of ours."""
        return str(self).replace("\n", "\n  ")

    def with_attempts(
        self, tried: "Iterable[tuple[str, PerpendError]]", begin: str = "", between: str = "; "
    ) -> Self:
        """Itself, its message replaced by those of all attempts (name, error), each once."""
        tried = list(tried)
        inside = dict.fromkeys(f"{name}: {error.message}" for name, error in tried)
        public = dict.fromkeys(f"{name}: {error.client_message.message}" for name, error in tried)
        self.redacted = ClientMessage(begin + between.join(public), self.client_message.hint)
        self.message = begin + between.join(inside)
        self.args = (self.message,)
        return self

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class BadRequest(PerpendError):
    status = 400
    code = "invalid_request_error"


class NotFound(BadRequest):
    status = 404
    code = "not_found"


class ThreadNotFound(NotFound):
    code = "thread_not_found"


class MethodNotAllowed(BadRequest):
    status = 405
    code = "method_not_allowed"


class PromptTooLong(BadRequest):
    """Worded as Anthropic words it: that is what stock clients look for before they shorten a conversation."""

    code = "context_length_exceeded"

    def __init__(self, tokens: int, most: int) -> None:
        super().__init__(
            f"prompt is too long: {tokens} tokens > {most} maximum",
            hint="shorten the messages, or use a model with a longer context",
            field="messages",
        )


class UpgradeRefused(BadRequest):
    status = 426
    code = "upgrade_refused"


class TooLarge(BadRequest):
    status = 413
    code = "request_too_large"


class HeadTooLarge(BadRequest):
    status = 431
    code = "head_too_large"


class HeadTimeout(BadRequest):
    status = 408
    code = "head_timeout"


class ConfigError(PerpendError):
    code = "config_error"
    redacted = ClientMessage(
        "this server isn't set up for that", "whoever runs it finds the reason in its log"
    )


class NoAccount(ConfigError):
    status = 404
    code = "no_account"


class Unauthenticated(PerpendError):
    status = 401
    code = "authentication_error"


class Forbidden(PerpendError):
    status = 403
    code = "permission_denied"


class CapReached(PerpendError):
    status = 402
    code = "cap_reached"


class Overloaded(PerpendError):
    status = 429
    code = "rate_limit_error"


class DeadlineTooShort(PerpendError):
    status = 504
    code = "deadline_exceeded"


class UpstreamError(PerpendError):
    status = 502
    code = "upstream_error"
    retry_elsewhere: ClassVar[bool] = True
    """Another upstream may answer the same request."""
    retry_later: ClassVar[bool] = True
    """The same upstream may answer it later."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        field: str | None = None,
        retry_after: float | None = None,
        redacted: ClientMessage | None = None,
        upstream_status: int | None = None,
        billed: bool = True,
    ) -> None:
        """`billed`: the vendor may charge for the call, so it isn't simply made again."""
        super().__init__(message, hint=hint, field=field, retry_after=retry_after, redacted=redacted)
        self.upstream_status = upstream_status
        self.billed = billed
        self.upstream_message = message
        """The upstream's own words, whole."""
        self.upstream_param = ""
        """The request field that the upstream names."""
        self.refuses: frozenset[str] = frozenset()
        """Fields that asked for thinking and were refused: without them the call may be answered."""


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class UpstreamMalformed(UpstreamError):
    code = "upstream_malformed"


class UpstreamOverloaded(UpstreamError):
    status = 503
    code = "upstream_overloaded"


class RateLimited(UpstreamOverloaded):
    status = 429
    code = "upstream_rate_limit"


class VerifierFailed(UpstreamError):
    code = "verifier_failed"
    redacted = ClientMessage(
        "a verifier of this server failed", "whoever runs it finds the reason in its log"
    )


class EngineDied(UpstreamOverloaded):
    """Perpend restarts it, and its tokens cost nothing."""

    code = "engine_error"


class AccountRefused(UpstreamError):
    code = "upstream_auth"
    retry_later = False


class Rejected(UpstreamError):
    status = 400
    code = "upstream_rejected"
    retry_elsewhere = retry_later = False


class ContextTooLong(Rejected):
    code = "context_length_exceeded"


class ContentFiltered(Rejected):
    code = "content_filter"


class EngineError(PerpendError):
    status = 503
    code = "engine_error"
    redacted = ClientMessage("the model's engine isn't running", _LATER)


class WeightsError(EngineError):
    code = "weights_error"
    redacted = ClientMessage("the model's weights aren't here", _LATER)


class SandboxUnavailable(PerpendError):
    status = 503
    code = "sandbox_unavailable"
    redacted = ClientMessage(
        "this server has nothing that contains a program", "ask without a verifier that runs programs"
    )


class StorageError(PerpendError):
    code = "storage_error"
    redacted = ClientMessage("this server can't record what it does", _LATER)


class StoreUnavailable(StorageError):
    status = 503
    code = "store_unavailable"
