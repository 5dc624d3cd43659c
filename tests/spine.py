"""A spine for tests: `solve` wired to a given backend and a recorder in memory."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from perpend.accounting.estimates import Speed
from perpend.accounting.prices import Price
from perpend.backends.contract import Backend
from perpend.config.schema import PriceConfig
from perpend.families.family import family_named
from perpend.solve import Control, Origin, ServedModel, Services, Sink, solve
from perpend.storage.rows import LedgerRow
from perpend.types import Answer, Event, Limits, Message, Request
from perpend.verifiers import Verifier, make_verifier

FREE = Price()
PRICED = Price.from_config(PriceConfig(input=Decimal(2), cached=Decimal(1), output=Decimal(10)))
QUESTION = (Message("user", "what is two and two"),)


class MemoryRecorder:
    def __init__(self) -> None:
        self.rows: list[LedgerRow] = []

    def check(self) -> None:
        """There is always room for a row."""

    async def write(self, row: LedgerRow) -> None:
        self.rows.append(row)

    def write_now(self, rows: list[LedgerRow]) -> None:
        self.rows += rows


class Spine:
    """`events` and `rows` keep what a request did. `others` are models beside "m", by their names."""

    def __init__(
        self,
        backend: Backend,
        *,
        family: str = "smollm2",
        price: Price = FREE,
        context: int | None = None,
        verifier: Verifier | None = None,
        others: Mapping[str, Backend] | None = None,
        width: int = 8,
    ) -> None:
        row = family_named(family)
        self.recorder = MemoryRecorder()
        self.events: list[Event] = []
        self.model = ServedModel(
            name="m",
            provider="test",
            upstream_name="m",
            family=row,
            backend=backend,
            price=price,
            speed=Speed(),
            effort_tokens=row.effort,
            answer_tokens=row.answer_tokens,
            context=context,
            width=lambda: width,
        )
        models = {name: replace(self.model, name=name, backend=one) for name, one in (others or {}).items()}
        self.services = Services(
            resolve=lambda name: models.get(name or "", self.model),
            recorder=self.recorder,
            default_effort="medium",
            cheap_model=lambda beside: self.model,
            verifier=lambda spec: verifier or make_verifier(spec),
            summary_every_tokens=16,
        )

    @property
    def row(self) -> LedgerRow:
        (row,) = self.recorder.rows
        return row

    async def ask(self, request: Request, control: Control | None = None, log: Sink | None = None) -> Answer:
        async def sink(batch: list[Event]) -> None:
            self.events += batch

        return await solve(request, self.services, sink, log_sink=log, control=control, origin=Origin("test"))


def request(**fields: object) -> Request:
    """A request; limits may be given flat."""
    names = Limits.__struct_fields__
    limits = {name: fields.pop(name) for name in list(fields) if name in names}
    given = {"messages": QUESTION, "limits": Limits(**limits), **fields}  # pyright: ignore[reportArgumentType]
    return Request(**given)  # pyright: ignore[reportArgumentType] - fields by name
