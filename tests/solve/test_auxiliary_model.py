"""A model that is asked outside any request: what it said is in the ledger, once."""

import pytest
from spine import PRICED, Spine

from perpend.backends.replay import ReplayBackend
from perpend.errors import UpstreamError
from perpend.solve import Origin
from perpend.solve.auxiliary_model import asking
from perpend.types import AnswerDelta, CallEnded, Message, Usage

QUESTION = (Message("user", "right?"),)


async def test_all_that_was_asked_is_one_row() -> None:
    said = [[AnswerDelta("yes", 1)], [CallEnded("stop", Usage(5, 0, 0, 1))]]
    spine = Spine(ReplayBackend([said, said]), price=PRICED)
    async with asking("m", spine.services, Origin("verify")) as model:
        assert await model.ask(QUESTION, max_tokens=4) == "yes"
        assert await model.ask(QUESTION, max_tokens=4) == "yes"
    row = spine.row
    assert (row.source, row.strategy, row.model) == ("verify", "aside", "m")
    assert (row.input, row.answer) == (10, 2)
    assert row.cost_usd == PRICED.cost(Usage(10, 0, 0, 2))


async def test_what_was_paid_is_kept_where_it_fails_later() -> None:
    said = [[AnswerDelta("yes", 1)], [CallEnded("stop", Usage(5, 0, 0, 1))]]
    spine = Spine(ReplayBackend([said, [UpstreamError("gone")]]))
    async with asking("m", spine.services, Origin("verify")) as model:
        await model.ask(QUESTION, max_tokens=4)
        with pytest.raises(UpstreamError):
            await model.ask(QUESTION, max_tokens=4)
    assert spine.row.answer == 1


async def test_who_asks_nothing_leaves_no_row() -> None:
    spine = Spine(ReplayBackend([]))
    async with asking("m", spine.services, Origin("verify")):
        pass
    assert not spine.recorder.rows
