"""Thinking inside a budget, then an answer: by continuing a prefix, or by watching and cutting."""

from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.backends.contract import Call
from perpend.backends.tool_choice import choosing, decided, undecided
from perpend.errors import CapReached, DeadlineTooShort
from perpend.families.family import Family
from perpend.solve.candidate_run import CandidateRun
from perpend.types import CallStop, Message, StopReason

_ENDED: frozenset[StopReason] = frozenset(("stop", "stop_sequence", "tool_calls", "content_filter"))
"""Ends that are the model's or its vendor's doing."""
_AGAIN = 512
_TRIES = 4
"""Of an answer on raw completion that begins with another thought, which is cut."""
_ANSWER_NOW = "Your time to think is over. Give your final answer now, from the reasoning above."


async def continued(run: CandidateRun, base: Call, budget: TokenBudget, wait_count: int) -> None:
    """Exact budgets on raw completion: the thought is generated from its open tag, and closed for it.

    The server stops at the very token, so `budget.thinking` can't be overshot. A thought that ends by itself
    with `wait_count` left is told to wait and goes on.
    """
    if undecided(base) and not run.message.thinking and budget.answer > 1:
        base, budget = await _chosen(run, base, budget)
    family = base.family
    if budget.thinking:
        run.hold_answer(budget.thinking, budget.answer)
    while (left := budget.thinking - run.usage.thinking) > 0:
        thinking = replace(
            base,
            phase="thinking",
            max_tokens=left,
            thinking_tokens=left,
            continuation=family.open + run.message.thinking,
        )
        try:
            stop = await run.call(thinking)
        except CapReached:
            if run.silent:
                raise
            break  # another call is too dear, but the answer's room is held
        if stop != "stop" or wait_count == 0 or run.usage.thinking >= budget.thinking:
            break
        wait_count -= 1
        await run.insert_thinking(family.wait)
    await answered(run, base, budget)


async def _chosen(run: CandidateRun, base: Call, budget: TokenBudget) -> tuple[Call, TokenBudget]:
    """Whether a tool is called is settled before anything is thought, and a call is written without a thought."""
    first_logprobs = await run.ask_first_logprobs(choosing(base))
    budget = replace(
        budget, answer=budget.answer - 1, max_answer=budget.max_answer - 1, output=budget.output - 1
    )
    if first_logprobs is None:  # its server tells no weights: what it writes is read for calls
        return base, budget
    base = replace(base, output_spec=decided(base.output_spec, first_logprobs))
    return base, budget if base.output_spec.tool_choice == "none" else replace(budget, thinking=0)


async def step(run: CandidateRun, base: Call, thought: str, budget: TokenBudget, pause: str) -> CallStop:
    """A piece of a thought that goes on from `thought`, up to `pause`; the room of its answer stays held meanwhile."""
    run.hold_answer(budget.thinking, budget.answer)
    thinking = replace(
        base,
        phase="thinking",
        max_tokens=budget.thinking,
        thinking_tokens=budget.thinking,
        continuation=base.family.open + thought,
        pause=pause,
    )
    return await run.call(thinking)


async def watched(run: CandidateRun, base: Call, budget: TokenBudget) -> None:
    """Budgets on a chat wire: one call under the server's own limits, watched, and cut where it overruns.

    A cut, or an end without any answer, is followed by a second call that asks for the answer.
    """
    if run.message.thinking:  # begun elsewhere, and this wire can't go on from it
        run.stop_reason = "upstream_error"
        await answered(run, base, budget)
        return
    # Of a second call, the tokens are in this one's reservation; its prompt isn't.
    run.hold_answer(budget.thinking, 0)
    call = replace(base, phase="both", max_tokens=budget.output, thinking_tokens=budget.thinking)
    stop = await run.call(call, cut_at=_cut_at(run, base.family, budget.thinking))
    if run.message.answering or (stop in _ENDED and not run.message.thinking):
        if stop == "length":
            run.stop_reason = "cost_cap" if budget.lowered_by == "cost_cap" else "answer_tokens"
        elif stop == "thinking_tokens":  # it thought once more within its answer
            run.stop_reason = "thinking_tokens"
        elif stop in _ENDED:
            run.stop_reason = stop
        return
    await answered(run, base, budget)


def _cut_at(run: CandidateRun, family: Family, thinking: int) -> int | None:
    """Where a first call's thought is cut; None: its server keeps to the budget, or was told not to think.

    A model that can't but think does so again before it answers: part of the budget is kept for that.
    """
    if thinking and family.budget == "native_hard" and family.clamp_budget(thinking) <= thinking:
        return None
    if run.context.model.stops:
        return thinking or None
    return thinking - _again(thinking)


def _again(thinking: int) -> int:
    """Thinking tokens of a second call: it has all the thought before it, so few of them are enough."""
    return min(thinking // 4, _AGAIN)


async def answered(run: CandidateRun, base: Call, budget: TokenBudget) -> None:
    """The answer alone, from the thought so far: the thought is closed for it, or it is asked for."""
    if not run.context.model.backend.supports_prefix:
        thinking = run.message.thinking
        so_far = (Message("assistant", thinking),) if thinking else ()
        messages = (*base.messages, *so_far, Message("user", _ANSWER_NOW))
        await _answer(run, replace(base, phase="answering", effort="none", messages=messages), budget)
        return
    before = run.stop_reason
    for _ in range(_TRIES):
        run.stop_reason, used = before, run.usage.answer
        call = replace(base, phase="answering", continuation=_closed(run, base, budget))
        stop = await _answer(run, call, budget)
        if run.message.answering or stop != "thinking_tokens":
            break
        lost = run.usage.answer - used
        budget = replace(budget, max_answer=budget.max_answer - lost, output=budget.output - lost)


def _closed(run: CandidateRun, base: Call, budget: TokenBudget) -> str:
    """What an answer goes on from: the thought so far, closed."""
    family = base.family
    if run.message.empty and not budget.thinking:
        return family.skip
    # a prefix that begins an answer would leave no room for a tool call
    may_call = base.output_spec.tools and base.output_spec.tool_choice != "none"
    prefix = "\n\n" if may_call else family.answer_prefix
    return f"{family.open}{run.message.thinking.rstrip()}\n{family.close}{prefix}"


async def _answer(run: CandidateRun, call: Call, budget: TokenBudget) -> CallStop | None:
    """None: no budget is left for one."""
    run.let_go()
    model, left = run.context.model, run.context.scope.left
    again = 0 if model.stops else max(0, budget.thinking - run.usage.thinking)
    room = min(budget.max_answer, budget.output - run.usage.thinking - again)
    affordable = model.affordable(left.usd, run.input_bound)
    if affordable is not None:
        again = min(again, affordable // 2)
        affordable -= again
    if left.thinking is not None:
        again = min(again, left.thinking)
    tokens = room if affordable is None else min(room, affordable)
    if left.answer is not None:
        tokens = min(tokens, left.answer)
    if tokens < 1:
        dear = affordable is not None and affordable < room
        run.stop_reason = "cost_cap" if dear else "thinking_tokens"
        if run.silent:
            field = "max_cost_usd" if dear else "max_completion_tokens"
            raise CapReached("no budget is left for an answer", hint=f"raise {field}", field=field)
        return None
    call = replace(call, max_tokens=tokens + again, thinking_tokens=again)
    # one that was told not to think, and does, is cut as well
    thinking_left = None
    if model.backend.supports_prefix:
        thinking_left = max(0, budget.thinking - run.usage.thinking)
        cut_at = thinking_left if budget.thinking else None
    else:
        cut_at = again if not model.stops else _again(budget.thinking)
    stop = await run.call(call, cut_at=cut_at, thinking_left=thinking_left)
    if stop == "thinking_tokens":
        run.stop_reason = "thinking_tokens"
    elif stop == "deadline":
        if run.message.empty:
            limit_s = run.context.clock.limit_s
            raise DeadlineTooShort(f"nothing was generated within {limit_s:g} s", hint="raise deadline_ms")
    elif run.stop_reason == "stop" and stop == "length":
        run.stop_reason = "cost_cap" if tokens < room else "answer_tokens"
    elif run.stop_reason == "stop" and stop in _ENDED:
        run.stop_reason = stop
    return stop
