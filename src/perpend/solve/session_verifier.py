"""The verifier of a session: it checks candidates within the request's time and budget."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from perpend.errors import BadRequest, CapReached, DeadlineTooShort, EngineError, UpstreamError
from perpend.solve.auxiliary_call import AuxiliaryCalls
from perpend.solve.call_context import CallContext
from perpend.solve.request_context import RequestContext, needs_gold
from perpend.solve.request_outcome import RequestOutcome
from perpend.types import Candidate, Judged, Request, Verdict, VerifierSpec
from perpend.verifiers import Task, Verifier

Checked = TypeVar("Checked")

_FINAL = VerifierSpec("answer")
"""How answers are compared where the request names no verifier."""


class RequestVerifier(Struct, frozen=True):
    """Implements `strategies.SessionVerifier`."""

    request_context: RequestContext
    outcome: RequestOutcome
    call_context: CallContext
    spec: VerifierSpec | None

    def require(self, strategy: str) -> None:
        spec = self.spec
        if spec is None:
            hint = 'such as "verifier": "self_score", or {"name": "math", "gold": "42"}'
            raise BadRequest(f"{strategy} needs a verifier", hint=hint, field="verifier")
        if spec.gold is None and self.request_context.verifier(spec).needs_gold:
            raise needs_gold(spec.name)

    @property
    def judged(self) -> bool:
        return self.spec is not None and self.request_context.verifier(self.spec).needs_model

    @property
    def rates_thoughts(self) -> bool:
        return self.spec is not None and self.request_context.verifier(self.spec).rates_thoughts

    async def verify(self, candidate: Candidate) -> Candidate:
        verdict = await self._verdict(candidate)
        if verdict is None:
            self.outcome.unverified.add(candidate.index)
            return candidate
        await self.call_context.log(Judged(verdict, candidate.index))
        judged = replace(candidate, verdict=verdict, score=verdict.score)
        self.outcome.replace(judged)
        return judged

    async def verified(self, candidate: Candidate) -> Candidate:
        spec, unanswered = self.spec, candidate.stop_reason == "tool_calls"
        if spec is None or candidate.verdict is not None or unanswered:
            return candidate
        if spec.gold is None and self.request_context.verifier(spec).needs_gold:  # votes were counted by it
            return candidate
        cut_by, judged = self.outcome.cut_by, candidate
        if candidate.index not in self.outcome.unverified:
            judged = await self.verify(candidate)
        self.outcome.cut_by = cut_by  # the answer came whole
        if judged.verdict is None:
            self.outcome.notes.append("unverified: its verifier failed, or no time or budget was left")
        elif candidate.score is not None:
            return self.outcome.scored(judged, candidate.score)
        return judged

    async def rate(self, thought: str) -> float | None:
        verdict = await self._verdict(Candidate(answer="", thinking=thought, index=-1))
        return None if verdict is None else verdict.score

    async def compare(self, first: Candidate, second: Candidate) -> float | None:
        verifier, task = self._at_hand()
        return await self._in_time(verifier.compare(task, first, second))

    async def same(self, first: str, second: str) -> bool:
        if first == second:
            return True
        try:
            async with asyncio.timeout_at(self.call_context.clock.deadline):
                return await self.request_context.verifier(self.spec or _FINAL).same(first, second)
        except TimeoutError:
            return False

    async def _verdict(self, candidate: Candidate) -> Verdict | None:
        verifier, task = self._at_hand()
        return await self._in_time(verifier.verify(task, candidate))

    def _at_hand(self) -> tuple[Verifier, Task]:
        assert self.spec is not None, "strategies call `require` first"
        model = AuxiliaryCalls(self.request_context, self.outcome, self.call_context)
        task = Task(question=_question(self.request_context.request), gold=self.spec.gold, model=model)
        return self.request_context.verifier(self.spec), task

    async def _in_time(self, checking: Awaitable[Checked]) -> Checked | None:
        """None where no time or budget is left to check."""
        try:
            async with self.call_context.in_time():
                return await checking
        except TimeoutError:
            self.outcome.cut_by = self.call_context.over or "deadline"
        except (CapReached, DeadlineTooShort, UpstreamError, EngineError):
            pass
        except BadRequest as error:  # what shows only now doesn't cost the answer
            self.outcome.notes.append(f"can't be verified: {error.message}")
        return None


def _question(request: Request) -> str:
    """What was last asked."""
    asked = [message.text for message in request.messages if message.role == "user"]
    return asked[-1] if asked else ""
