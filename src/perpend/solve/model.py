"""A model as the spine sees it: how to reach it, how it thinks, what it costs, how fast it has been."""

import math
from dataclasses import dataclass
from decimal import Decimal

from perpend.accounting.budgets import Costs
from perpend.accounting.estimates import Speed
from perpend.accounting.prices import Price
from perpend.backends.contract import Backend, Call
from perpend.backends.families import Family
from perpend.types import Effort, Message

_PER_MESSAGE = 16
"""Tokens that a chat template may put around a message, generously."""
_JOINT = 64
"""Tokens that join a thought to its answer: tags, or a message that asks for it."""
_RETOKENIZED = 1.25
"""Input tokens that a thinking token may become when it is sent back as text."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    name: str
    provider: str
    upstream_name: str
    """What the provider calls it."""
    family: Family
    backend: Backend
    price: Price
    speed: Speed
    effort_tokens: dict[Effort, int]
    answer_tokens: int
    context: int | None
    """Window in tokens; None where it isn't known."""

    def input_bound(self, messages: tuple[Message, ...]) -> int:
        """A count that the prompt can't exceed: a token is at least one byte of text."""
        text = sum(_bytes(m.content) + _PER_MESSAGE for m in messages)
        return text + _bytes(self.family.system) + _PER_MESSAGE

    def next_input_bound(self, first: int, thinking: int) -> int:
        """For a call after the first: what a resumed sequence adds, else prompt and thinking over again."""
        if self.backend.resumes:
            return _JOINT
        return first + math.ceil(_RETOKENIZED * thinking) + _JOINT

    def input_estimate(self, call: Call) -> int:
        """Prompt tokens of a call that ended before its server counted them."""
        text = sum(self.speed.estimate_tokens(m.content) for m in call.messages)
        return text + self.speed.estimate_tokens(call.continuation)

    def worst_costs(self, input_bound: int) -> Costs:
        """Room for two calls: thinking may be cut, and the answer asked for with another."""
        price_in, price_out = self.price.per_input_token, self.price.per_output_token
        fixed = price_in * (input_bound + self.next_input_bound(input_bound, 0))
        again = Decimal(0) if self.backend.resumes else price_in * Decimal(_RETOKENIZED)
        return Costs(fixed=fixed, thinking=price_out + again, answer=price_out)

    def affordable(self, usd: Decimal | None, input_bound: int) -> int | None:
        """Output tokens that one call may generate with `usd` left; None: as many as it likes."""
        price_out = self.price.per_output_token
        if usd is None or not price_out:
            return None
        return max(0, int((usd - self.price.per_input_token * input_bound) / price_out))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
