"""The account of a request: a tree of scopes (request > candidate > call) that cannot be overdrawn.

    request = Scope("request", thinking=1024, output=2048, usd=Decimal("0.05"))
    candidate = request.child("candidate 0")
    with candidate.reserve(Spend(thinking=512, answer=256, usd=worst_case)) as held:
        ...                                     # held.observed grows as tokens stream in
        held.settle(Spend(thinking=301, answer=40, usd=cost))

A reservation is checked against its scope and every ancestor and held in all of them before the first
token is asked for, so parallel candidates cannot overrun what they share. What was settled is the
tally that answers, ledger rows and metrics are read from. Everything runs in one event loop and nothing
here awaits: no locks.
"""

import sys
from decimal import Decimal
from types import TracebackType
from typing import Literal

from msgspec import Struct

from perpend.errors import CapReached
from perpend.types import Usage

Resource = Literal["thinking", "answer", "output", "usd"]

_NO_TOKEN_LIMIT = sys.maxsize
_NO_USD_LIMIT = Decimal("Infinity")
_FIELDS: dict[Resource, str] = {
    "thinking": "max_thinking_tokens",
    "answer": "max_completion_tokens",
    "output": "max_completion_tokens",
    "usd": "max_cost_usd",
}


class Spend(Struct, frozen=True, gc=False):
    """What is wanted or was used: tokens, and US dollars exactly."""

    thinking: int = 0
    answer: int = 0
    usd: Decimal = Decimal(0)
    input: int = 0
    """Prompt tokens, cached ones included: counted, and bounded by dollars alone."""
    cached: int = 0

    @property
    def output(self) -> int:
        return self.thinking + self.answer

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(
            self.thinking + other.thinking,
            self.answer + other.answer,
            self.usd + other.usd,
            self.input + other.input,
            self.cached + other.cached,
        )


NOTHING = Spend()


class Left(Struct, frozen=True, gc=False):
    """What one reservation could still take of each resource; None: not limited."""

    thinking: int | None
    answer: int | None
    output: int | None
    usd: Decimal | None


class Scope:
    """Limits, and what was spent and is held under them. `output` bounds thinking and answer together."""

    __slots__ = (
        "_answer",
        "_answer_limit",
        "_answer_spent",
        "_cached",
        "_input",
        "_output_limit",
        "_thinking",
        "_thinking_limit",
        "_thinking_spent",
        "_usd",
        "_usd_limit",
        "_usd_spent",
        "excess",
        "name",
        "parent",
        "priced",
    )

    def __init__(
        self,
        name: str,
        *,
        thinking: int | None = None,
        answer: int | None = None,
        output: int | None = None,
        usd: Decimal | None = None,
        parent: "Scope | None" = None,
    ) -> None:
        self.name = name
        self.parent = parent
        self._thinking_limit = _NO_TOKEN_LIMIT if thinking is None else thinking
        self._answer_limit = _NO_TOKEN_LIMIT if answer is None else answer
        self._output_limit = _NO_TOKEN_LIMIT if output is None else output
        self._usd_limit = _NO_USD_LIMIT if usd is None else usd
        # Committed (spent and held together) is what limits are checked against, so it is what is kept.
        self._thinking = self._thinking_spent = 0
        self._answer = self._answer_spent = 0
        self._input = self._cached = 0
        self._usd = self._usd_spent = NOTHING.usd
        self.priced = True
        """False: something that was settled here has no known price, and `spent` is without it."""
        self.excess = NOTHING
        """Spent beyond what had been reserved for it: an upstream that broke its word, or a bug."""

    def child(
        self,
        name: str,
        *,
        thinking: int | None = None,
        answer: int | None = None,
        output: int | None = None,
        usd: Decimal | None = None,
    ) -> "Scope":
        """A scope inside this one: its own limits hold as well as all those above it."""
        return Scope(name, thinking=thinking, answer=answer, output=output, usd=usd, parent=self)

    def reserve(self, want: Spend) -> "Reservation":
        """Hold `want` here and in every ancestor, or raise CapReached and hold nothing anywhere."""
        thinking, answer, usd = want.thinking, want.answer, want.usd
        if thinking < 0 or answer < 0 or usd < 0:
            raise ValueError(f"cannot reserve a negative amount: {want}")
        output = thinking + answer
        scope = self
        # A resource is checked only where some of it is wanted: overdrawn thinking can't lock the answer out.
        while scope is not None:
            if (
                (thinking and scope._thinking + thinking > scope._thinking_limit)
                or (answer and scope._answer + answer > scope._answer_limit)
                or (output and scope._thinking + scope._answer + output > scope._output_limit)
                or (usd and scope._usd + usd > scope._usd_limit)
            ):
                raise scope._refusal(want)
            scope = scope.parent
        scope = self
        while scope is not None:
            scope._thinking += thinking
            scope._answer += answer
            if usd:
                scope._usd += usd
            scope = scope.parent
        return Reservation(self, want)

    @property
    def usage(self) -> Usage:
        """Tokens that were settled, here and in all scopes below."""
        return Usage(self._input, self._cached, self._thinking_spent, self._answer_spent)

    @property
    def spent(self) -> Spend:
        """What was settled of what limits bound: no input."""
        return Spend(self._thinking_spent, self._answer_spent, self._usd_spent)

    @property
    def cost_usd(self) -> Decimal | None:
        """What was spent; None where the price of some of it isn't known."""
        return self._usd_spent if self.priced else None

    @property
    def capped(self) -> bool:
        """Dollars are limited, here or above."""
        scope = self
        while scope is not None:
            if scope._usd_limit is not _NO_USD_LIMIT:
                return True
            scope = scope.parent
        return False

    @property
    def reserved(self) -> Spend:
        """Held for calls under way, here and in all scopes below."""
        return Spend(
            self._thinking - self._thinking_spent,
            self._answer - self._answer_spent,
            self._usd - self._usd_spent,
        )

    @property
    def overdrawn(self) -> bool:
        """More was spent than a limit allows; only ever true where `excess` says why."""
        return (
            self._thinking_spent > self._thinking_limit
            or self._answer_spent > self._answer_limit
            or self._thinking_spent + self._answer_spent > self._output_limit
            or self._usd_spent > self._usd_limit
        )

    @property
    def left(self) -> Left:
        """The tightest over this scope and its ancestors, never below zero."""
        thinking = answer = output = _NO_TOKEN_LIMIT
        usd = _NO_USD_LIMIT
        scope = self
        while scope is not None:
            if scope._thinking_limit is not _NO_TOKEN_LIMIT:
                thinking = min(thinking, scope._thinking_limit - scope._thinking)
            if scope._answer_limit is not _NO_TOKEN_LIMIT:
                answer = min(answer, scope._answer_limit - scope._answer)
            if scope._output_limit is not _NO_TOKEN_LIMIT:
                output = min(output, scope._output_limit - scope._thinking - scope._answer)
            if scope._usd_limit is not _NO_USD_LIMIT:
                usd = min(usd, scope._usd_limit - scope._usd)
            scope = scope.parent
        return Left(
            _tokens(min(thinking, output)),
            _tokens(min(answer, output)),
            _tokens(output),
            None if usd is _NO_USD_LIMIT else max(usd, NOTHING.usd),
        )

    def book(self, held: Spend, actual: Spend, excess: Spend, *, priced: bool) -> None:
        """A hold ends here and in every ancestor; called by `Reservation.settle` alone."""
        thinking, answer, usd = actual.thinking, actual.answer, actual.usd
        prompt, cached = actual.input, actual.cached
        unused_thinking, unused_answer = held.thinking - thinking, held.answer - answer
        unused_usd = held.usd - usd
        scope = self
        while scope is not None:
            scope._thinking -= unused_thinking
            scope._answer -= unused_answer
            scope._thinking_spent += thinking
            scope._answer_spent += answer
            scope._input += prompt
            scope._cached += cached
            if unused_usd:
                scope._usd -= unused_usd
            if usd:
                scope._usd_spent += usd
            if not priced:
                scope.priced = False
            if excess is not NOTHING:
                scope.excess += excess
            scope = scope.parent

    def _refusal(self, want: Spend) -> CapReached:
        tokens: tuple[tuple[Resource, int, int], ...] = (
            ("thinking", want.thinking, self._thinking_limit - self._thinking),
            ("answer", want.answer, self._answer_limit - self._answer),
            ("output", want.output, self._output_limit - self._thinking - self._answer),
        )
        for resource, wanted, room in tokens:
            if wanted and wanted > room:
                said = f"{wanted} {resource} tokens wanted, {max(room, 0)} left"
                return _cap_reached(self.name, resource, said)
        room = max(self._usd_limit - self._usd, NOTHING.usd)
        return _cap_reached(self.name, "usd", f"${want.usd:f} wanted, ${room:f} left")

    def __repr__(self) -> str:
        return f"<Scope {self.name!r} spent={self.spent} reserved={self.reserved} left={self.left}>"


class Reservation:
    """An amount held until it is settled, exactly once.

    As a context manager it never leaks: leaving it unsettled (an error, a cancellation) settles `observed`.
    """

    __slots__ = ("amount", "excess", "observed", "scope", "settled")

    def __init__(self, scope: Scope, amount: Spend) -> None:
        self.scope = scope
        self.amount = amount
        self.observed = NOTHING
        """Used so far, as seen in the stream; whoever reads the stream keeps it up to date."""
        self.settled = False
        self.excess = NOTHING

    def settle(self, actual: Spend, *, priced: bool = True) -> None:
        """Give back the hold and book what was really used.

        `priced`: `actual` says all that it cost.

        More than was reserved is booked all the same, since it was spent, and kept in `excess` here and in
        every scope above. Raises RuntimeError the second time.
        """
        if self.settled:
            raise RuntimeError(f"a reservation of {self.scope.name!r} was settled twice")
        held = self.amount
        if actual.thinking < 0 or actual.answer < 0 or actual.usd < 0:
            raise ValueError(f"cannot settle a negative amount: {actual}")
        self.settled = True
        if actual.thinking > held.thinking or actual.answer > held.answer or actual.usd > held.usd:
            self.excess = Spend(
                max(actual.thinking - held.thinking, 0),
                max(actual.answer - held.answer, 0),
                max(actual.usd - held.usd, NOTHING.usd),
            )
        self.scope.book(held, actual, self.excess, priced=priced)

    def release(self) -> None:
        """Settle nothing: the call was never made."""
        self.settle(NOTHING)

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.settled:
            self.settle(self.observed)


def _tokens(room: int) -> int | None:
    return None if room == _NO_TOKEN_LIMIT else max(room, 0)


def _cap_reached(scope: str, resource: Resource, said: str) -> CapReached:
    field = _FIELDS[resource]
    return CapReached(f"{scope}: {said}", hint=f"raise {field}, or ask for less effort", field=field)
