"""Summaries of the thinking so far, for clients that don't see it: written beside it, from a budget of their own.

They are a courtesy: the answer never waits for one, doesn't fail with one, and says why there is none.
"""

import asyncio
import re

from msgspec.structs import replace

from perpend.accounting.ledger import Scope
from perpend.errors import CapReached, PerpendError
from perpend.solve.auxiliary_call import AuxiliaryCalls
from perpend.solve.call_context import CallContext, Sink
from perpend.solve.ledger_entry import LedgerEntry
from perpend.solve.model import ServedModel
from perpend.solve.request_context import RequestContext
from perpend.solve.request_outcome import RequestOutcome
from perpend.storage.rows import LedgerRow
from perpend.types import AnswerDelta, Event, Message, SummaryDelta, SummaryReport, ThinkingDelta

_TOKENS = 48
"""Of a line."""
_LINES = 20
"""Of a request, at most."""
_FIRST = 4
"""The first line comes after this part of the tokens between two, so that a short time to think has one too."""
_WINDOW = 2000
"""Characters of the newest thinking that a line is made from."""
_PATIENCE_S = 0.1
"""For a line under way when the answer is done: what nobody notices."""
_PROMPT = "In one short sentence, without any numbers or results, say what this reasoning is doing:\n\n"
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")


class Summariser:
    """One line at a time, by the cheap tier."""

    def __init__(
        self, request_context: RequestContext, context: CallContext, entry: LedgerEntry, every_tokens: int
    ) -> None:
        """`context`: of the model that writes them, in a scope of the dollars that they may cost."""
        self.lines: list[str] = []
        self._writer = writer = context.model
        self._scope = scope = context.scope.child("lines", answer=_LINES * _TOKENS)
        self._entry = entry
        self._wrong = False
        """A line told numbers that nobody thought of, so nobody saw it."""
        self._off = _unable(writer, context.scope)
        outcome = RequestOutcome(writer, scope)
        self._calls = AuxiliaryCalls(request_context, outcome, replace(context, scope=scope))
        self._every = every_tokens
        self._heard: list[str] = []
        self._unsummarised = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def report(self) -> SummaryReport:
        off = self._off
        if not self.lines and off is None and self._heard:
            off = (
                "its writer told other numbers than the thinking"
                if self._wrong
                else "the answer was there first"
            )
        return SummaryReport(self._writer.name, self._scope.usage, self._scope.cost_usd, off)

    def rows(self) -> list[LedgerRow]:
        """Of the ledger: one, where anything was written."""
        if not self._scope.usage.total:
            return []
        writer = self._writer
        return [self._entry.spent(self._scope, "finished", model=writer.name, provider=writer.provider)]

    def hear(self, batch: list[Event], send: Sink) -> None:
        """Events of a candidate, whose summary goes to `send`."""
        answers = False
        for event in batch:
            if isinstance(event, ThinkingDelta):
                self._heard.append(event.text)
                self._unsummarised += event.tokens
            answers = answers or isinstance(event, AnswerDelta)
        due = self._every if self._task is not None else self._every // _FIRST
        short = answers and self._task is None and self._unsummarised > 0  # it has a summary too
        if (
            (short or self._unsummarised >= due)
            and (self._task is None or self._task.done())
            and not self._off
        ):
            self._unsummarised = 0
            self._task = asyncio.create_task(self._summarise("".join(self._heard), send))

    async def end(self) -> None:
        """The answer is done: a line under way has a moment left."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_PATIENCE_S)

    async def stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _summarise(self, thinking: str, send: Sink) -> None:
        try:
            said = await self._calls.ask(
                (Message("user", _PROMPT + thinking[-_WINDOW:]),), max_tokens=_TOKENS
            )
        except CapReached:
            self._off = "its budget is spent"
        except PerpendError as error:
            self._off = f"its writer failed: {error.client_message.message}"
        else:
            line = " ".join(said.split())
            if not {*_NUMBER.findall(line)} <= {*_NUMBER.findall(thinking)}:
                self._wrong = True  # small writers get arithmetic wrong
            elif line:
                self.lines.append(line)
                await send([SummaryDelta(line + "\n")])


def _unable(writer: ServedModel, share: Scope) -> str | None:
    """Why a model can't write summaries here."""
    if not (writer.family.summarises and writer.stops):
        return f"{writer.name} isn't able to write one"
    if share.left.usd is not None and not writer.price.known:
        return f"no price of {writer.name} is known, and max_cost_usd has to hold"
    return None
