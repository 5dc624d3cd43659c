"""Summaries: an account and a budget of their own; the answer waits for none, and says why there is none."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import fake_clock
import pytest
from costs import known
from spine import FREE, PRICED, Spine, request
from words import WordBackend

from perpend.accounting.prices import UNKNOWN, Price
from perpend.backends.contract import Call, CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.errors import PerpendError, UpstreamError
from perpend.families.family import family_named
from perpend.solve import ServedModel
from perpend.types import Answer, AnswerDelta, CallEnded, SummaryDelta, SummaryReport, Usage

THOUGHT = 400
"""Tokens, of a hundredth of a second each."""


class Writer(ReplayBackend):
    """Says the same line each time."""

    def __init__(self, line: str | PerpendError, takes_s: float = 0.05) -> None:
        super().__init__([], supports_prefix=True)
        said = (
            [AnswerDelta(line, 7), CallEnded("stop", Usage(90, 0, 0, 7))] if isinstance(line, str) else line
        )
        self._said = [takes_s, said]

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        self._recordings = iter([self._said])
        async for batch in super().stream(call):
            yield batch


def summarised(
    writer: Writer, *, family: str = "smollm2", price: Price = FREE, **asked: Any
) -> tuple[Answer, Spine]:
    spine = Spine(WordBackend(thought=THOUGHT, reply=30, delay_s=0.01), price=PRICED)
    other = replace(spine.model, name="writer", family=family_named(family), backend=writer, price=price)

    def cheap(beside: ServedModel) -> ServedModel:
        return other

    spine.services = replace(spine.services, cheap_model=cheap, summary_every_tokens=128)
    fields: dict[str, Any] = {"max_thinking_tokens": THOUGHT, "visibility": "summary", **asked}
    return fake_clock.run(spine.ask(request(**fields))), spine


def report(answer: Answer) -> SummaryReport:
    assert answer.summaries is not None
    return answer.summaries


def test_they_have_an_account_of_their_own() -> None:
    answer, spine = summarised(Writer("It counts."), price=PRICED, max_output_tokens=THOUGHT + 40)
    assert (answer.usage.thinking, answer.usage.answer) == (THOUGHT, 30)
    lines = answer.summary.splitlines()
    assert set(lines) == {"It counts."}
    told = report(answer)
    assert (told.model, told.usage.answer, told.off) == ("writer", 7 * len(lines), None)
    assert answer.cost_usd == known(PRICED.cost(answer.usage)) + known(PRICED.cost(told.usage))
    assert [(row.model, row.strategy, row.answer) for row in spine.recorder.rows] == [
        ("m", "single", 30),
        ("writer", "summary", told.usage.answer),
    ]


def test_without_them_nothing_is_told() -> None:
    answer, spine = summarised(Writer("It counts."), visibility="hidden")
    assert (answer.summary, answer.summaries, len(spine.recorder.rows)) == ("", None, 1)


@pytest.mark.parametrize("takes_s", [0.05, 3, 3600])
def test_the_answer_waits_for_none(takes_s: float) -> None:
    plain, _ = summarised(Writer("It counts."), visibility="hidden")
    answer, _ = summarised(Writer("It counts.", takes_s))
    assert answer.text == plain.text
    assert answer.elapsed_s <= plain.elapsed_s + 0.11
    if takes_s == 3600:
        assert report(answer).off == "the answer was there first"
    else:
        assert answer.summary


def test_a_short_deadline_has_one_too() -> None:
    answer, _ = summarised(Writer("It counts."), deadline_ms=900)
    assert answer.truncated
    assert answer.summary
    assert answer.elapsed_s <= 0.9


@pytest.mark.parametrize("line", ["It finds 17 * 23 = 401.", "The result is 3.5.", "1,000 words"])
def test_a_number_that_wasnt_thought_of_isnt_told(line: str) -> None:
    answer, spine = summarised(Writer(line))
    assert answer.summary == ""
    assert not any(isinstance(event, SummaryDelta) for event in spine.events)
    assert report(answer).off == "its writer told other numbers than the thinking"


@pytest.mark.parametrize(
    ("writer", "family", "price", "asked", "off"),
    [
        (Writer("Hm."), "tiny", FREE, {}, "writer isn't able to write one"),
        (Writer("Hm."), "smollm2", UNKNOWN, {"max_cost_usd": Decimal(1)}, "no price of writer is known"),
        (Writer("Hm."), "smollm2", PRICED, {"max_cost_usd": Decimal("0.006")}, "its budget is spent"),
        (Writer(UpstreamError("gone")), "smollm2", FREE, {}, "its writer failed: gone"),
    ],
)
def test_what_there_is_none_for_is_told(
    writer: Writer, family: str, price: Price, asked: dict[str, Any], off: str
) -> None:
    answer, _ = summarised(writer, family=family, price=price, **asked)
    assert answer.text
    assert (report(answer).off or "").startswith(off)
    if price is UNKNOWN or family == "tiny":
        assert not writer.calls


def test_they_have_a_budget_of_their_own() -> None:
    answer, _ = summarised(
        Writer("It counts.", 0.001), max_thinking_tokens=THOUGHT, max_cost_usd=Decimal("0.02")
    )
    assert known(report(answer).cost_usd) <= Decimal("0.002")
    assert known(answer.cost_usd) <= Decimal("0.02")
