"""A model at one or several places: who is asked, who stands in, and what is tried again.

A conversation stays where its prefix is cached (weighted rendezvous hashing of its first messages). A call moves on
or is tried again only while nothing came of it and nothing was paid for: after that it is the spine's to go on.
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
from perpend.backends.refused import refuses_system, told_output, told_room
from perpend.backends.stopping import stopping
from perpend.deployments.breaker import Breaker
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
_LONGEST_BACKOFF_S = 8.0
_LONGEST_WAIT_S = 20.0
"""An upstream that wants to be left alone for longer isn't waited for."""
_REST_S = 2.0
"""For which a place that failed is asked after the others, unless it says for how long."""
_LONGEST_REST_S = 60.0
_PREFIX = 4096
"""Characters of each first message that tell conversations apart."""
_MOST_LESSONS = 8
"""Of what is refused one after the other, before a call is given up."""
_SPARE = 8
"""Calls under way that a place may always have; beyond, it may have twice its share."""

Sleep = Callable[[float], Awaitable[None]]

_log = logging.getLogger(__name__)


class Learned(NamedTuple):
    """What a place told by refusing it, and answered without."""

    refused: frozenset[str] = frozenset()
    """Of what asks for thinking; `system`: messages in that role."""
    max_output: int | None = None
    """Tokens that its model writes at most."""
    room: int | None = None
    """Tokens that there is room for beside this call's prompt: nothing that is remembered."""

    def lesson(self, error: UpstreamError, asked: Call) -> "Learned | None":
        """With what this refusal of a call adds; None: nothing."""
        if most := told_output(error, asked.max_tokens):
            return self._replace(max_output=most)
        if room := told_room(error, asked.max_tokens):
            return self._replace(room=room)
        refuses = error.refuses
        if refuses_system(error) and any(message.role == "system" for message in asked.messages):
            refuses = frozenset(("system",))
        return self._replace(refused=more) if (more := self.refused | refuses) > asked.refused else None

    def joined(self, other: "Learned") -> "Learned":
        if self is other:
            return self
        known = [most for most in (self.max_output, other.max_output) if most is not None]
        return Learned(self.refused | other.refused, min(known, default=None))

    def fitted(self, call: Call, model: str) -> Call:
        """The call as it is taken there, under its name for the model: thinking gives way to an answer's half."""
        most = min(known for known in (call.max_tokens, self.max_output, self.room) if known is not None)
        thinking = call.thinking_tokens if most == call.max_tokens else min(call.thinking_tokens, most // 2)
        return replace(call, model=model, max_tokens=most, thinking_tokens=thinking, refused=self.refused)


class Deployment:
    """A place that serves a model: a provider, one of its keys, and its name for the model."""

    def __init__(
        self,
        provider: str,
        backend: Backend,
        *,
        model: str,
        key: int = 0,
        weight: float = 1.0,
        retries: int = 2,
    ) -> None:
        self.provider = provider
        self.name = f"{provider}/{model}" + (f"#{key + 1}" if key else "")
        """Which it is, for people: the second key of a pool is `PROVIDER/MODEL#2`."""
        self.backend = backend
        self.model = model
        self.weight = weight
        self.retries = retries
        self.breaker = Breaker(monotonic)
        self.in_flight = 0
        self.rests_until = 0.0
        """It failed, or reached a rate limit: others are asked first until then."""
        self.retried = 0
        self.learned = Learned()
        self.failures: dict[str, int] = {}
        """By the error's code."""
        self.refusal = ""
        """In clients' words: why it refuses the account, until it answers."""

    @property
    def problem(self) -> str | None:
        """What a call would meet now, as far as it is known, in clients' words."""
        if self.refusal and self.rests_until > monotonic():
            return self.refusal
        return None if self.breaker.passes else _left_alone([self]).message

    def failed(self, error: UpstreamError) -> None:
        self.failures[error.code] = self.failures.get(error.code, 0) + 1
        if not error.retry_elsewhere:  # the request was at fault
            self.answered()
            return
        usual_s = _REST_S if error.retry_later else _LONGEST_REST_S
        self.rests_until = monotonic() + min(error.retry_after or usual_s, _LONGEST_REST_S)
        if isinstance(error, AccountRefused):  # it works, and not for this account
            if not self.refusal:
                _log.error("%s: %s", self.name, error.logged)
            self.breaker.succeeded()
            self.refusal = error.client_message.message
        elif isinstance(
            error, RateLimited | EngineDied
        ):  # when it works again is said, and no breaker's guess
            self.breaker.abandoned()
        else:
            self.breaker.failed()

    def answered(self) -> None:
        self.breaker.succeeded()
        self.refusal = ""

    def stumbled(self, error: Exception) -> UpstreamError:
        """Its wire couldn't read what it said."""
        failure = malformed(self.name, error)
        self.failed(failure)
        return failure


class _Attempt:
    """A call at one place, which learns how it ended. What it raises says whether anything came."""

    __slots__ = ("_wanted", "asked", "begun", "learned", "place")

    def __init__(self, place: Deployment, call: Call, learned: Learned | None) -> None:
        self.place = place
        self.learned = learned or place.learned
        self.asked = self.learned.fitted(call, place.model)
        self.begun = False
        self._wanted = call.max_tokens

    def begin(self, batch: list[CallEvent]) -> list[CallEvent]:
        """The first batch says who serves it, and that nothing more had to be left out."""
        self.begun = True
        self.place.learned = self.place.learned.joined(self.learned)
        place, asked = self.place, self.asked
        left_out = _left_out(place, asked, self._wanted)
        return [Served(place.provider, place.backend.steers(asked), left_out), *batch]

    def __enter__(self) -> Self:
        self.place.in_flight += 1
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        place = self.place
        place.in_flight -= 1
        if error is None:
            place.answered()
        elif isinstance(error, UpstreamError):
            error.billed = error.billed or self.begun
            place.failed(error)
        elif isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
            raise place.stumbled(error) from error
        elif self.begun:  # cut, or gone away
            place.answered()
        else:
            place.breaker.abandoned()


class Deployments:
    """Implements `Backend` over the places that serve one model."""

    def __init__(self, places: Sequence[Deployment], *, sleep: Sleep = asyncio.sleep) -> None:
        """Raises ConfigError where some of them can go on from a prefix and others can't."""
        self.places = tuple(places)
        self._sleep = sleep
        self.supports_prefix = self.places[0].backend.supports_prefix
        self.resumes = len(self.places) == 1 and self.places[0].backend.resumes
        if any(place.backend.supports_prefix != self.supports_prefix for place in self.places):
            names = ", ".join(place.name for place in self.places)
            raise ConfigError(
                f"deployments of one model must speak one kind of wire ({names})",
                hint="all raw completion or all chat; put the others under fallbacks, as a model of their own",
                field="deployments",
            )

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """As the place's own, after a `Served` that says which it is. Raises BadRequest for what its model rejects."""
        call = _taken(call)
        tried: list[tuple[str, UpstreamError]] = []
        waiting = deque(self._order(call))
        again: list[tuple[float, int, Deployment]] = []  # how long to wait at least, and in which order
        retry, retries = 0, max(place.retries for place in waiting)
        learned: Learned | None = None  # of what the last place just refused, until it answers without
        try:
            while waiting:
                place = waiting.popleft()
                if place.breaker.let_through():
                    place.retried += bool(tried)
                    attempt = _Attempt(place, call, learned)
                    try:
                        with attempt:
                            async with aclosing(_asking(place.backend, attempt.asked)) as batches:
                                async for batch in batches:
                                    yield batch if attempt.begun else attempt.begin(batch)
                        return
                    except UpstreamError as error:
                        tried.append((place.name, error))
                        learned = None if attempt.begun else attempt.learned.lesson(error, attempt.asked)
                        if learned is not None and len(tried) < _MOST_LESSONS:
                            waiting.appendleft(place)
                            continue
                        if error.billed or not error.retry_elsewhere:
                            break
                        least_s = error.retry_after or 0.0
                        if error.retry_later and least_s <= _LONGEST_WAIT_S:
                            again.append((least_s, len(tried), place))
                if not waiting and again and retry < retries:
                    soonest = min(again)
                    again.remove(soonest)
                    await self._sleep(soonest[0] + _backoff_s(retry))
                    retry += 1
                    waiting.append(soonest[2])
            raise self._exhausted(tried)
        finally:
            tried.clear()  # else they and this frame would hold each other until a collection

    @property
    def problem(self) -> str | None:
        """What a call would meet now, where none of the places would answer it."""
        problems = [place.problem for place in self.places]
        return problems[0] if all(problems) else None

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        return self.places[0].backend.whole(body, call)

    def left_out(self, call: Call) -> tuple[str, ...]:
        """What one of the places leaves out."""
        each = [_left_out(place, _to(place, call), call.max_tokens) for place in self.places]
        return tuple(dict.fromkeys(name for names in each for name in names))

    @property
    def max_output(self) -> int | None:
        """The least that one of the places said it writes at most; None: none has said."""
        least: int | None = None
        for place in self.places:  # asked for at each request, and nearly always of nothing
            most = place.learned.max_output
            if most is not None and (least is None or most < least):
                least = most
        return least

    def steers(self, call: Call) -> dict[str, Any]:
        """What is sent to the place that is asked first."""
        place = self.places[0] if len(self.places) == 1 else self._order(call)[0]
        return place.backend.steers(_to(place, call))

    async def count_input(self, call: Call) -> int | None:
        place = self._order(call)[0]
        try:
            return await place.backend.count_input(_to(place, call))
        except UpstreamError:  # the call itself will tell, or find somebody else
            return None

    def _order(self, call: Call) -> list[Deployment]:
        """The conversation's own place first; one that rests or is crowded after the others."""
        if len(self.places) == 1:
            return list(self.places)
        now = monotonic()
        prefix = _prefix(call)
        in_flight = sum(place.in_flight for place in self.places)
        weights = sum(place.weight for place in self.places)

        def key(place: Deployment) -> tuple[bool, bool, float]:
            crowded = place.in_flight > _SPARE + 2 * in_flight * place.weight / weights
            return place.rests_until > now, crowded, _distance(prefix, place)

        return sorted(self.places, key=key)

    def _exhausted(self, tried: list[tuple[str, UpstreamError]]) -> UpstreamError:
        """The last failure, saying what was tried."""
        if not tried:
            return _left_alone(self.places)
        last = tried[-1][1]
        if len(tried) > 1:
            last.with_attempts(tried, f"tried {len(tried)} times; ")
        if isinstance(last, UpstreamOverloaded) and last.retry_after is None:
            last.retry_after = _REST_S
        return last


def _left_alone(places: Sequence[Deployment]) -> UpstreamOverloaded:
    wait = min(place.breaker.wait_s for place in places)
    names = ", ".join(place.name for place in places)
    return UpstreamOverloaded(
        f"{names}: failed too often just now, and is left alone for a moment",
        hint="retry later; perpend doctor says whether it can be reached",
        retry_after=max(wait, 1.0),
        billed=False,
    )


def _taken(call: Call) -> Call:
    """Tools go to models that take them. Raises BadRequest where they would have to be left out unseen."""
    if not call.output_spec.tools or "tools" not in call.family.rejects:
        return call
    if call.output_spec.tool_choice != "none":
        hint = "leave tools out, or ask a model that takes them: `perpend models show MODEL` tells what one rejects"
        raise BadRequest(f"{call.model} takes no tools: its vendor refuses them", hint=hint, field="tools")
    return replace(call, output_spec=replace(call.output_spec, tools=(), tool_choice="auto"))


def _to(place: Deployment, call: Call) -> Call:
    return place.learned.fitted(call, place.model)


def _left_out(place: Deployment, asked: Call, wanted: int) -> tuple[str, ...]:
    """Of a call that wanted so many tokens. Stop sequences are kept by us."""
    left_out = place.backend.left_out(asked)
    if "stop" in left_out:
        left_out = tuple(name for name in left_out if name != "stop")
    return left_out if asked.max_tokens == wanted else (*left_out, f"max_tokens>{asked.max_tokens}")


def _asking(backend: Backend, call: Call) -> AsyncGenerator[list[CallEvent], None]:
    """The call, cut at a stop sequence that its server can't be told."""
    batches, stops = backend.stream(call), call.sampling.stop
    if stops and call.phase != "thinking" and "stop" in backend.left_out(call):
        return stopping(batches, stops)
    return batches


def _backoff_s(retry: int) -> float:
    """Anything up to a bound that doubles each time: many that failed together don't come back together."""
    return random.uniform(0, min(_BACKOFF_S * 2**retry, _LONGEST_BACKOFF_S))  # noqa: S311 -- not a secret


def _prefix(call: Call) -> bytes:
    """What tells a conversation from others and stays as it grows: its messages up to the user's first."""
    digest = hashlib.blake2b(digest_size=16)
    for message in call.messages:
        digest.update(f"{message.role}\0{message.text[:_PREFIX]}\0".encode(errors="surrogatepass"))
        if message.role == "user":
            break
    return digest.digest()


def _distance(prefix: bytes, place: Deployment) -> float:
    """Weighted rendezvous hashing (Thaler and Ravishankar 1998; logarithms as weights): the least one wins."""
    drawn = hashlib.blake2b(prefix + place.name.encode(), digest_size=8).digest()
    uniform = (int.from_bytes(drawn, "big") + 1) / (2**64 + 1)
    return -math.log(uniform) / place.weight
