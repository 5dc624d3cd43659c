"""Checks that may never end, in processes that can be killed."""

import asyncio
import os
import signal

import pytest
from sandbox.sandboxes import children

from perpend.errors import BadRequest, ConfigError
from perpend.verifiers.worker_pool import Workers

PATTERN, MATH = "perpend.verifiers.regex_match", "perpend.verifiers.math_equal"


@pytest.mark.parametrize(
    ("module", "gold", "given"),
    [
        (MATH, "1", "((x^2+1)^{50}-(y^3-1)^{60})^{20}"),
        (PATTERN, "(a+)+c", "a" * 40 + "b"),
        ("perpend.verifiers.schema_errors", '{"pattern": "^(a+)+c$"}', f'"{"a" * 40}b"'),
    ],
)
async def test_one_that_hangs_is_replaced_while_the_loop_goes_on(module: str, gold: str, given: str) -> None:
    async with Workers(module, count=1, timeout_s=1.0) as workers:
        check = asyncio.ensure_future(workers.check(gold, given))
        turns = 0
        while not check.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert check.result() is None
        assert (workers.killed, turns > 10) == (1, True)
        assert (await workers.check(gold, "1")) is not None


async def test_one_that_waits_for_a_processor_has_its_whole_time_left() -> None:
    """On a busy machine: what is right stays right."""
    before = children()
    async with Workers(MATH, count=1, timeout_s=0.5) as workers:
        assert await workers.check("1", "2") is not None
        (worker,) = children() - before
        os.kill(worker, signal.SIGSTOP)
        asked = asyncio.create_task(workers.check("1/2", "0.5"))
        await asyncio.sleep(1)
        os.kill(worker, signal.SIGCONT)
        verdict = await asked
        assert verdict is not None
        assert verdict.passed


async def test_one_that_is_given_up_is_killed() -> None:
    async with Workers(PATTERN, count=1) as workers:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await workers.check("(a+)+c", "a" * 40 + "b")
        verdict = await workers.check("a", "a")
        assert verdict is not None
        assert verdict.passed


async def test_one_that_nobody_waits_for_goes_on_starting() -> None:
    """Or a machine that takes longer to start one than clients have would never have any."""
    before = children()
    async with Workers(PATTERN, count=1) as workers:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await workers.read_gold("a")
        await workers.read_gold("a")
        (worker,) = children() - before
        await workers.read_gold("b")
        assert children() - before == {worker}
        assert workers.killed == 0
    async with Workers(PATTERN, count=1) as workers:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await workers.read_gold("a")
    assert not children() - before


@pytest.mark.parametrize("gold", ["(", "[", "a{99999999999}", "(" * 5000 + ")" * 5000, "(?P<é", "\\"])
async def test_a_gold_is_read_alone(gold: str) -> None:
    async with Workers(PATTERN, count=1) as workers:
        with pytest.raises(BadRequest, match="can't be read") as told:
            await workers.read_gold(gold)
        assert told.value.field == "verifier.gold"


async def test_a_gold_that_takes_for_ever_to_read_is_none() -> None:
    async with Workers(PATTERN, count=1, timeout_s=0.3) as workers:
        with pytest.raises(BadRequest, match="took too long"):
            await workers.read_gold("(?i)" + "[\u0100-\U0010fffe]" * 100)


async def test_what_is_wrong_with_a_gold_is_told_and_the_worker_stays() -> None:
    async with Workers(PATTERN, count=1) as workers:
        for gold in ("(", "a{99999999999}", "(" * 5000 + ")" * 5000):
            with pytest.raises(BadRequest, match="can't be read") as told:
                await workers.check(gold, "a")
            assert told.value.field == "verifier.gold"
        assert workers.killed == 0


async def test_a_module_that_lacks_its_package_says_how_to_get_it() -> None:
    async with Workers("perpend.verifiers.nowhere", "math", 1) as workers:
        with pytest.raises(ConfigError, match="nowhere") as told:
            await workers.check("1", "1")
    assert "perpend[math]" in str(told.value.hint)
