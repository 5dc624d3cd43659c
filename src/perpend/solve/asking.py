"""A question to a model beside the candidates: a judge's, a scorer's, a summariser's. The request pays for it."""

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.backends.contract import Call
from perpend.solve.account import Account
from perpend.solve.draft import Draft
from perpend.solve.means import Means
from perpend.solve.standin import write
from perpend.solve.terms import Terms
from perpend.types import Event, Message, Sampling

_LIKELIEST = 20
"""First tokens that a server is asked to weigh: as many as OpenAI allows."""
_WORD = 8
"""Tokens for the answer of a server that weighs none."""


class Asking(Struct, frozen=True):
    """Implements `verifiers.Asked`: the answers' tokens are in the request's ledger, and in nobody's stream."""

    terms: Terms
    account: Account
    means: Means

    def on(self, model: str) -> "Asking":
        return replace(self, means=replace(self.means, model=self.terms.other(model)))

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
            model=self.means.model.upstream_name,
            family=self.means.model.family,
            messages=tuple(messages),
            max_tokens=budget.output,
            effort="low" if thinking_tokens else "none",
            sampling=Sampling(temperature=temperature, seed=seed),
        )
        draft = self._draft(call)
        try:
            await write(draft, call, budget, 0, self.terms.stand_ins(self.means.model))
        finally:
            draft.let_go()
            self.account.pay(draft)
        return draft.said.answer

    async def weigh(
        self, messages: Sequence[Message], choices: tuple[str, ...], *, begun: str = ""
    ) -> Mapping[str, float]:
        model = self.means.model
        continues = model.backend.continues
        aside = (Message("assistant", begun),) if begun and not continues else ()
        call = Call(
            model=model.upstream_name,
            family=model.family,
            messages=(*messages, *aside),
            max_tokens=1 if continues else _WORD,
            phase="answering",
            sampling=Sampling(temperature=0.0),
            continuation=model.family.skip + begun if continues else "",
            weighs=_LIKELIEST,
        )
        draft = self._draft(call)
        try:
            await draft.run(call)
        finally:
            self.account.pay(draft)
        return shares(choices, draft.weighed or {draft.said.answer: 0.0})

    def _draft(self, call: Call) -> Draft:
        bound = self.means.model.input_bound(call.messages) + len(call.continuation.encode())
        return Draft(ASIDE, replace(self.means, input_bound=bound, emit=_silent, control=None))


ASIDE = -1
"""The number of what belongs to no candidate."""


def shares(choices: tuple[str, ...], logprobs: Mapping[str, float]) -> dict[str, float]:
    """What of the probability each choice has, by how it begins; nobody's is shared out evenly."""
    found = dict.fromkeys(choices, 0.0)
    for token, logprob in logprobs.items():
        begins = token.strip().lower()
        for choice in choices:
            name = choice.lower()
            if begins and (name.startswith(begins) or begins.startswith(name)):
                found[choice] += math.exp(logprob)
    total = sum(found.values())
    return {choice: share / total if total else 1 / len(choices) for choice, share in found.items()}


async def _silent(batch: list[Event]) -> None: ...
