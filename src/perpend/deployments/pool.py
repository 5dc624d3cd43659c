"""A model at one or several deployments: which one gets a call, which is next, and what is retried.

A conversation stays where its prefix is cached (weighted rendezvous hashing of its first messages). A call is moved on
or retried only while nothing of its answer came and nothing was billed: after that, `solve/fallback` goes on.
"""

import asyncio
import hashlib
import logging
import math
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from time import monotonic
from typing import Any, NamedTuple, Self

import msgspec
from msgspec.structs import replace

from perpend.backends.contract import Backend, Call, CallEvent
from perpend.backends.refused import refuses_system, stated_max_output, stated_room
from perpend.backends.stopping import stopping
from perpend.deployments.breaker import Breaker
from perpend.deployments.concurrency_limit import ConcurrencyLimit
from perpend.deployments.server_metrics import ServerMetrics
from perpend.errors import (
    AccountRefused,
    BadRequest,
    ConfigError,
    EngineDied,
    RateLimited,
    UpstreamError,
    UpstreamOverloaded,
)
from perpend.transport.failures import malformed
from perpend.types import Served

_BACKOFF_S = 0.25
_MAX_BACKOFF_S = 8.0
_MAX_WAIT_S = 20.0
"""Seconds; an upstream that asks for a longer wait isn't waited for."""
_COOLDOWN_S = 2.0
"""Seconds for which a deployment that failed comes after the others, unless it names a time itself."""
_MAX_COOLDOWN_S = 60.0
_PREFIX_CHARS = 4096
"""Of each first message, hashed to tell conversations apart."""
_MAX_ADAPTATIONS = 8
"""Refusals in a row that a call is adapted to before it is given up."""
_SPARE_CALLS = 8
"""Concurrent calls that a deployment may always have; beyond these, twice its share by weight."""

Sleep = Callable[[float], Awaitable[None]]

_log = logging.getLogger(__name__)


class LearnedLimits(NamedTuple):
    """What a deployment's refusals taught: it answered once a call was adapted to them."""

    refused: frozenset[str] = frozenset()
    """Fields that ask for thinking; `system`: messages in that role."""
    max_output: int | None = None
    """The most output tokens of its model."""
    room: int | None = None
    """Output tokens that fit beside this call's prompt; isn't kept for other calls."""

    def learn_from(self, error: UpstreamError, call: Call) -> "LearnedLimits | None":
        """These and what the refusal of `call`, as it was sent, adds; None: it adds nothing."""
        if most := stated_max_output(error, call.max_tokens):
            return self._replace(max_output=most)
        if room := stated_room(error, call.max_tokens):
            return self._replace(room=room)
        refuses = error.refuses
        if refuses_system(error) and any(message.role == "system" for message in call.messages):
            refuses = frozenset(("system",))
        return self._replace(refused=more) if (more := self.refused | refuses) > call.refused else None

    def merged(self, other: "LearnedLimits") -> "LearnedLimits":
        if self is other:
            return self
        known = [most for most in (self.max_output, other.max_output) if most is not None]
        return LearnedLimits(self.refused | other.refused, min(known, default=None))

    def fitted(self, call: Call, model: str) -> Call:
        """The call adapted to these limits, under the deployment's name for the model.

        Where the output has to shrink, thinking gets at most half of it.
        """
        if model == call.model and self == _NOTHING_LEARNED and not call.refused:
            return call
        most = min(known for known in (call.max_tokens, self.max_output, self.room) if known is not None)
        thinking = call.thinking_tokens if most == call.max_tokens else min(call.thinking_tokens, most // 2)
        return replace(call, model=model, max_tokens=most, thinking_tokens=thinking, refused=self.refused)


_NOTHING_LEARNED = LearnedLimits()


class Deployment:
    """One deployment of a model: a provider, one of its keys, and its name for the model."""

    def __init__(
        self,
        provider: str,
        backend: Backend,
        *,
        model: str,
        key: int = 0,
        weight: float = 1.0,
        retries: int = 2,
        slots: Callable[[], int | None] = lambda: None,
        metrics: ServerMetrics | None = None,
    ) -> None:
        """`slots`: calls that it takes at once, where it is known to take so many. `metrics`: what it says itself."""
        self.provider = provider
        self.name = f"{provider}/{model}" + (f"#{key + 1}" if key else "")
        """For people: `PROVIDER/MODEL`, the second key of a pool `PROVIDER/MODEL#2`."""
        self.backend = backend
        self.model = model
        self.weight = weight
        self.retries = retries
        self.breaker = Breaker(monotonic)
        self.limit = ConcurrencyLimit()
        self.in_flight = 0
        self.cooldown_until = 0.0
        """Monotonic seconds. After a failure or at a rate limit, others are asked first until then."""
        self.retried = 0
        self.learned = LearnedLimits()
        self.failures: dict[str, int] = {}
        """How many, by the error's code."""
        self.refusal = ""
        """Why it refuses the account, as clients are told; "" once it answers."""
        self._slots = slots
        self._metrics = metrics

    @property
    def capacity(self) -> float | None:
        """Calls that it takes at once; None: it isn't known, as none was seen to wait."""
        slots = self._slots()
        return self.limit.value if slots is None else slots

    @property
    def problem(self) -> str | None:
        """Why a call would fail now, as clients are told; None: nothing is known against it."""
        if self.refusal and self.cooldown_until > monotonic():
            return self.refusal
        return None if self.breaker.passes else _circuit_open([self]).message

    def failed(self, error: UpstreamError) -> None:
        self.failures[error.code] = self.failures.get(error.code, 0) + 1
        if not error.retry_elsewhere:  # the request was at fault
            self.answered()
            return
        usual_s = _COOLDOWN_S if error.retry_later else _MAX_COOLDOWN_S
        self.cooldown_until = monotonic() + min(error.retry_after or usual_s, _MAX_COOLDOWN_S)
        if isinstance(error, AccountRefused):  # it works, and not for this account
            if not self.refusal:
                _log.error("%s: %s", self.name, error.logged)
            self.breaker.succeeded()
            self.refusal = error.client_message.message
        elif isinstance(error, RateLimited | EngineDied):  # it says itself when to come back
            self.breaker.abandoned()
        else:
            self.breaker.failed()

    def begin(self) -> float:
        """A call begins now, by the monotonic clock."""
        now = monotonic()
        self.in_flight += 1
        if self._metrics is not None:
            self._metrics.look(self.limit, lambda: self.in_flight, now)
        return now

    def answered(self) -> None:
        self.breaker.succeeded()
        self.refusal = ""

    def malformed(self, error: Exception) -> UpstreamError:
        """Count a response that the wire couldn't decode; returns it as an error to raise."""
        failure = malformed(self.name, error)
        self.failed(failure)
        return failure


class _Attempt:
    """A call at one deployment, which is told how it ended. An error that leaves it is `billed` once output came."""

    __slots__ = ("_beside", "_started", "_wanted_tokens", "begun", "call", "deployment", "learned")

    def __init__(self, deployment: Deployment, call: Call, learned: LearnedLimits | None) -> None:
        self.deployment = deployment
        self.learned = learned or deployment.learned
        self.call = self.learned.fitted(call, deployment.model)
        self.begun = False
        self._wanted_tokens = call.max_tokens

    def begin(self, batch: list[CallEvent]) -> list[CallEvent]:
        """The first batch, after a `Served`: from here on, what was learned on the way holds."""
        self.begun = True
        deployment, call, now = self.deployment, self.call, monotonic()
        deployment.learned = deployment.learned.merged(self.learned)
        deployment.limit.began(now - self._started, self._beside, self._started, now)
        left_out = _left_out(deployment, call, self._wanted_tokens)
        return [Served(deployment.provider, deployment.backend.steers(call), left_out), *batch]

    def __enter__(self) -> Self:
        self._started = self.deployment.begin()
        self._beside = self.deployment.in_flight
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        deployment = self.deployment
        deployment.in_flight -= 1
        if error is None:
            deployment.answered()
        elif isinstance(error, UpstreamError):
            error.billed = error.billed or self.begun
            if isinstance(error, UpstreamOverloaded) and not isinstance(error, EngineDied):
                deployment.limit.refused(deployment.in_flight, self._started, monotonic())
            deployment.failed(error)
        elif isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
            raise deployment.malformed(error) from error
        elif self.begun:  # it was cut, or its caller went away
            deployment.answered()
        else:
            deployment.breaker.abandoned()


class Deployments:
    """Implements `Backend` over the deployments of one model."""

    def __init__(self, deployments: Sequence[Deployment], *, sleep: Sleep = asyncio.sleep) -> None:
        """Raises ConfigError where some of them can continue a prefix and others can't."""
        self.deployments = tuple(deployments)
        self._sleep = sleep
        self.supports_prefix = self.deployments[0].backend.supports_prefix
        self.resumes = len(self.deployments) == 1 and self.deployments[0].backend.resumes
        if any(each.backend.supports_prefix != self.supports_prefix for each in self.deployments):
            names = ", ".join(each.name for each in self.deployments)
            raise ConfigError(
                f"deployments of one model must speak one kind of wire ({names})",
                hint="all raw completion or all chat; put the others under fallbacks, as a model of their own",
                field="deployments",
            )

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """The backend's events, after a `Served` that names the deployment.

        Raises UpstreamError once all have failed, and BadRequest for what the model rejects.
        """
        call = _without_rejected_tools(call)
        tried: list[tuple[str, UpstreamError]] = []
        waiting = deque(self._order(call))
        again: list[
            tuple[float, int, Deployment]
        ] = []  # to retry: the least wait in seconds, the order, which
        retry, retries = 0, max(each.retries for each in waiting)
        learned: LearnedLimits | None = None  # from the refusals of the deployment that is asked again
        try:
            while waiting:
                deployment = waiting.popleft()
                if deployment.breaker.let_through():
                    deployment.retried += bool(tried)
                    attempt = _Attempt(deployment, call, learned)
                    try:
                        with attempt:
                            async with aclosing(_stream(deployment.backend, attempt.call)) as batches:
                                async for batch in batches:
                                    yield batch if attempt.begun else attempt.begin(batch)
                        return
                    except UpstreamError as error:
                        tried.append((deployment.name, error))
                        learned = None if attempt.begun else attempt.learned.learn_from(error, attempt.call)
                        if learned is not None and len(tried) < _MAX_ADAPTATIONS:
                            waiting.appendleft(deployment)
                            continue
                        if error.billed or not error.retry_elsewhere:
                            break
                        least_s = error.retry_after or 0.0
                        if error.retry_later and least_s <= _MAX_WAIT_S:
                            again.append((least_s, len(tried), deployment))
                if not waiting and again and retry < retries:
                    soonest = min(again)
                    again.remove(soonest)
                    await self._sleep(soonest[0] + _backoff_s(retry))
                    retry += 1
                    waiting.append(soonest[2])
            raise self._exhausted(tried)
        finally:
            tried.clear()  # else the errors and this frame keep each other alive until a collection

    @property
    def capacity(self) -> float | None:
        """Calls that those take at once that would be asked now; None: it isn't known."""
        calls = 0.0
        for deployment in self.deployments:
            if deployment.breaker.passes:
                here = deployment.capacity
                if here is None:
                    return None
                calls += here
        return calls or None

    @property
    def problem(self) -> str | None:
        """Why a call would fail now, where no deployment would answer it; else None."""
        problems = [each.problem for each in self.deployments]
        return problems[0] if all(problems) else None

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        return self.deployments[0].backend.whole(body, call)

    def left_out(self, call: Call) -> tuple[str, ...]:
        """What at least one of the deployments leaves out."""
        left_out = [_left_out(each, _fitted(each, call), call.max_tokens) for each in self.deployments]
        return tuple(dict.fromkeys(name for names in left_out for name in names))

    @property
    def max_output(self) -> int | None:
        """The lowest output limit, in tokens, that a deployment has named; None: none has."""
        least: int | None = None
        for deployment in self.deployments:  # a plain loop: every request asks, and nearly always gets None
            most = deployment.learned.max_output
            if most is not None and (least is None or most < least):
                least = most
        return least

    def steers(self, call: Call) -> dict[str, Any]:
        """What the deployment that is asked first is sent about thinking."""
        deployment = self.deployments[0] if len(self.deployments) == 1 else self._order(call)[0]
        return deployment.backend.steers(_fitted(deployment, call))

    async def count_input(self, call: Call) -> int | None:
        """Input tokens, as the deployment that is asked first counts them; None where it can't."""
        deployment = self._order(call)[0]
        try:
            return await deployment.backend.count_input(_fitted(deployment, call))
        except UpstreamError:  # the call itself will fail, or find another deployment
            return None

    def _order(self, call: Call) -> list[Deployment]:
        """The conversation's own deployment first; those in cooldown or overfull after the others."""
        if len(self.deployments) == 1:
            return list(self.deployments)
        now = monotonic()
        prefix = _prefix(call)
        in_flight = sum(each.in_flight for each in self.deployments)
        weights = sum(each.weight for each in self.deployments)

        def key(each: Deployment) -> tuple[bool, bool, float]:
            overfull = each.in_flight > _SPARE_CALLS + 2 * in_flight * each.weight / weights
            return each.cooldown_until > now, overfull, _distance(prefix, each)

        return sorted(self.deployments, key=key)

    def _exhausted(self, tried: list[tuple[str, UpstreamError]]) -> UpstreamError:
        """The last failure, its message naming all attempts."""
        if not tried:
            return _circuit_open(self.deployments)
        last = tried[-1][1]
        if len(tried) > 1:
            last.with_attempts(tried, f"tried {len(tried)} times; ")
        if isinstance(last, UpstreamOverloaded) and last.retry_after is None:
            last.retry_after = _COOLDOWN_S
        return last


def _circuit_open(deployments: Sequence[Deployment]) -> UpstreamOverloaded:
    wait_s = min(each.breaker.wait_s for each in deployments)
    names = ", ".join(each.name for each in deployments)
    return UpstreamOverloaded(
        f"{names}: failed too often just now, and is left alone for a moment",
        hint="retry later; perpend doctor says whether it can be reached",
        retry_after=max(wait_s, 1.0),
        billed=False,
    )


def _without_rejected_tools(call: Call) -> Call:
    """The call without tools that its model rejects and that it mustn't call. Raises BadRequest where it may."""
    if not call.output_spec.tools or "tools" not in call.family.rejects:
        return call
    if call.output_spec.tool_choice != "none":
        hint = "leave tools out, or ask a model that takes them: `perpend models show MODEL` tells what one rejects"
        raise BadRequest(f"{call.model} takes no tools: its vendor refuses them", hint=hint, field="tools")
    return replace(call, output_spec=replace(call.output_spec, tools=(), tool_choice="auto"))


def _fitted(deployment: Deployment, call: Call) -> Call:
    return deployment.learned.fitted(call, deployment.model)


def _left_out(deployment: Deployment, call: Call, wanted_tokens: int) -> tuple[str, ...]:
    """What the fitted call goes without, a lower `max_tokens` among it. Stop sequences aren't: we apply them."""
    left_out = deployment.backend.left_out(call)
    if "stop" in left_out:
        left_out = tuple(name for name in left_out if name != "stop")
    return left_out if call.max_tokens == wanted_tokens else (*left_out, f"max_tokens>{call.max_tokens}")


def _stream(backend: Backend, call: Call) -> AsyncGenerator[list[CallEvent], None]:
    """The call's events, cut here at a stop sequence that the wire has no field for."""
    batches, stops = backend.stream(call), call.sampling.stop
    if stops and call.phase != "thinking" and "stop" in backend.left_out(call):
        return stopping(batches, stops)
    return batches


def _backoff_s(retry: int) -> float:
    """Exponential backoff with full jitter, in seconds: calls that failed together don't come back together."""
    return random.uniform(0, min(_BACKOFF_S * 2**retry, _MAX_BACKOFF_S))  # noqa: S311 -- not a secret


def _prefix(call: Call) -> bytes:
    """A hash that identifies a conversation while it grows: of its messages up to the user's first."""
    digest = hashlib.blake2b(digest_size=16)
    for message in call.messages:
        digest.update(f"{message.role}\0{message.text[:_PREFIX_CHARS]}\0".encode(errors="surrogatepass"))
        if message.role == "user":
            break
    return digest.digest()


def _distance(prefix: bytes, deployment: Deployment) -> float:
    """Weighted rendezvous hashing (Thaler and Ravishankar 1998; logarithms as weights): the least distance wins."""
    digest = hashlib.blake2b(prefix + deployment.name.encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -math.log(uniform) / deployment.weight
