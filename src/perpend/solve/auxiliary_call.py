"""A question to a model beside the candidates: a judge's, a scorer's, a summariser's. The request pays for it."""

import math
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.backends.contract import Call
from perpend.errors import Rejected
from perpend.solve.call_context import CallContext, null_sink
from perpend.solve.candidate_run import CandidateRun
from perpend.solve.fallback import write
from perpend.solve.model import ServedModel
from perpend.solve.request_context import RequestContext
from perpend.solve.request_outcome import RequestOutcome
from perpend.types import Message, Sampling

_LIKELIEST = 20
"""First tokens that a server is asked for: as many as OpenAI allows."""
_FEWER = 5
"""As many as every server allows that tells any."""
_WORD = 8
"""Tokens for the answer of a server that tells none."""
_THOUGHT = 256
"""Thinking tokens before that answer, of a model that can't be made not to think."""


class AuxiliaryCalls(Struct, frozen=True):
    """A `verifiers.AuxiliaryModel`: the answers' tokens are in the request's ledger, and in nobody's stream."""

    request_context: RequestContext
    outcome: RequestOutcome
    call_context: CallContext

    def on(self, model: str) -> "AuxiliaryCalls":
        return replace(self, call_context=replace(self.call_context, model=self.request_context.other(model)))

    async def ask(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        thinking_tokens: int = 0,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> str:
        budget = TokenBudget(
            requested_thinking=thinking_tokens,
            thinking=thinking_tokens,
            answer=max_tokens,
            output=thinking_tokens + max_tokens,
            max_answer=max_tokens,
        )
        call = Call(
            model=self.call_context.model.upstream_name,
            family=self.call_context.model.family,
            messages=tuple(messages),
            max_tokens=budget.output,
            effort="low" if thinking_tokens else "none",
            by_default=True,
            hidden=True,
            sampling=Sampling(temperature=temperature, seed=seed),
        )
        run = self._run(call)
        try:
            await write(run, call, budget, 0, self.request_context.fallbacks(self.call_context.model))
        finally:
            run.let_go()
            self.outcome.left_out |= run.left_out
        return run.message.answer

    async def probabilities(
        self, messages: Sequence[Message], choices: tuple[str, ...], *, begun: str = ""
    ) -> Mapping[str, float]:
        model, known = self.call_context.model, self.outcome.most_logprobs
        most = known.get(model.name, _LIKELIEST) if _tells_logprobs(model) else 0
        while most:
            try:
                return shares(choices, await self._ask_first_logprobs(messages, begun, most))
            except Rejected as refused:
                if type(refused) is not Rejected:  # the prompt is too long, or refused for what it says
                    raise
                known[model.name] = most = _FEWER if most > _FEWER else 0
        left = self.call_context.scope.left.thinking
        thinking = 0 if model.stops else min(_THOUGHT, _THOUGHT if left is None else left)
        said = await self.ask(_gone_on(messages, begun), max_tokens=_WORD, thinking_tokens=thinking)
        return shares(choices, {settled(choices, said): 0.0})

    async def _ask_first_logprobs(
        self, messages: Sequence[Message], begun: str, most: int
    ) -> Mapping[str, float]:
        model = self.call_context.model
        supports_prefix = model.backend.supports_prefix
        call = Call(
            model=model.upstream_name,
            family=model.family,
            messages=tuple(messages) if supports_prefix else _gone_on(messages, begun),
            max_tokens=1 if supports_prefix else _WORD,
            phase="answering",
            by_default=True,
            hidden=True,
            sampling=Sampling(temperature=0.0),
            continuation=model.family.skip + begun if supports_prefix else "",
            first_logprobs=most,
        )
        run = self._run(call)
        try:
            await run.call(call)
        finally:
            self.outcome.left_out |= run.left_out
        return run.first_logprobs or {run.message.answer: 0.0}

    def _run(self, call: Call) -> CandidateRun:
        context = self.call_context
        bound = context.model.input_bound(call.messages) + len(call.continuation.encode())
        scope = context.scope.child("an auxiliary call")
        context = replace(context, scope=scope, input_bound=bound, sink=null_sink, control=None)
        return CandidateRun(self.outcome.begin_auxiliary(), context)


def _tells_logprobs(model: ServedModel) -> bool:
    """What a model that can't but think says first isn't its answer."""
    family = model.family
    return model.backend.supports_prefix or (family.can_disable and "logprobs" not in family.rejects)


def _gone_on(messages: Sequence[Message], begun: str) -> tuple[Message, ...]:
    return (*messages, *((Message("assistant", begun),) if begun else ()))


def shares(choices: tuple[str, ...], logprobs: Mapping[str, float]) -> dict[str, float]:
    """What of the probability each choice has, by how it begins; nobody's is shared out evenly."""
    found = dict.fromkeys(choices, 0.0)
    for token, logprob in logprobs.items():
        begins = token.strip().lower()
        for choice in choices:
            name, rest = choice.lower(), begins[len(choice) :]
            whole = begins.startswith(name) and not rest[:1].isalnum()  # "Answer" isn't the choice A
            if begins and (whole or name.startswith(begins)):
                found[choice] += math.exp(logprob)
    total = sum(found.values())
    return {choice: share / total if total else 1 / len(choices) for choice, share in found.items()}


def settled(choices: tuple[str, ...], said: str) -> str:
    """The choice that an answer in words makes, where it names one alone; else the answer."""
    named = [choice for choice in choices if _names(choice, said)]
    return named[0] if len(named) == 1 else said


def _names(choice: str, said: str) -> bool:
    flags = re.IGNORECASE if len(choice) > 1 else 0  # "a" is an article
    return re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", said, flags) is not None
