"""A model as the spine sees it: how to reach it, how it thinks, what it costs, how fast it has been."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from perpend.accounting.budgets import Costs, ModelBounds
from perpend.accounting.calibration import Calibration
from perpend.accounting.curves import Curve
from perpend.accounting.estimates import Lengths, Speed
from perpend.accounting.prices import Price
from perpend.backends.contract import Backend, Call
from perpend.families.family import Family, nearest_effort
from perpend.types import (
    EFFORTS,
    Document,
    Effort,
    Image,
    Message,
    OutputSpec,
    Part,
    Text,
    Thought,
    ToolResult,
    ToolUse,
)

_PER_MESSAGE = 16
"""Tokens that a chat template may put around a message, generously."""
_PER_IMAGE = 4096
"""Tokens that a picture may become, generously: vendors scale large ones down to less."""
_PER_TOOL = 64
"""Tokens that a vendor may put around a tool's description, and once more for having tools at all."""
_JOINT = 64
"""Tokens that join a thought to its answer: tags, or a message that asks for it."""
_RETOKENIZED = 1.25
"""Input tokens that a thinking token may become when it is sent back as text."""
_WIDTH = 8
"""Of one request on a server that doesn't tell how many calls it takes at once."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    name: str
    provider: str
    upstream_name: str
    """What the provider calls it."""
    family: Family
    backend: Backend
    price: Price
    """The dearest of its providers', so that what is reserved is enough."""
    speed: Speed
    effort_tokens: dict[Effort, int]
    answer_tokens: int
    context: int | None
    """Window in tokens; None where it isn't known."""
    max_output: int | None = None
    """Tokens that it writes at most, thinking and answer together; None where it isn't known."""
    calibration: Calibration | None = None
    """What `perpend calibrate` measured."""
    curve: Curve | None = None
    """What `perpend eval curve` installed."""
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    """By provider, where several serve it and their prices differ."""
    told_output: Callable[[], int | None] = lambda: None
    """As `max_output`, by what its places have refused since."""
    width: Callable[[], int] = lambda: _WIDTH
    """Calls of one request that it takes at once."""
    weights_version: Callable[[], str] = lambda: ""
    """What tells its weights from others under the same name, where it is embedded."""
    capacity: Callable[[], float | None] = lambda: None
    """Calls of all requests that it takes at once; None: it isn't known, as nobody was seen to wait."""
    cheaper: str | None = None
    """The model that answers in its stead where it has too much to do."""
    fallbacks: tuple[str, ...] = ()
    """Models to turn to where its upstream fails. Its own name stands for its other deployments."""
    lengths: Lengths = field(default_factory=Lengths, init=False, repr=False, compare=False)

    _most_thinking: list[int | None] = field(
        default_factory=list[int | None], init=False, repr=False, compare=False
    )
    """What is known of `most_thinking`."""
    _tells_apart: dict[bool, bool] = field(
        default_factory=dict[bool, bool], init=False, repr=False, compare=False
    )
    """What is known of `tells`, where thinking is asked for by default and where somebody named an effort."""

    def price_at(self, provider: str | None) -> Price:
        return self.price if provider is None else self.prices.get(provider, self.price)

    @property
    def bounds(self) -> ModelBounds:
        told, most = self.told_output(), self.max_output
        known = most if told is None or (most is not None and most < told) else told
        return ModelBounds(known, self.most_thinking)

    @property
    def most_thinking(self) -> int | None:
        """The largest budget that means anything to it, 0 where it never thinks; None: none is known."""
        if not self._most_thinking:
            never = not any(self.effort_tokens.values())
            self._most_thinking.append(0 if never else self.family.most_thinking)
        return self._most_thinking[0]

    @property
    def usual_tokens(self) -> dict[Effort, int] | None:
        """What each effort usually takes, measured or by the family's row; None where budgets are kept otherwise."""
        exact = self.family.budget == "exact" and self.backend.supports_prefix
        if exact or self.family.budget in ("none", "native_hard", "native_soft"):
            return None
        if self.calibration is not None and (measured := self.calibration.usual):
            return measured
        accepted = (*self.family.efforts, *self.family.effort_words)
        return {word: tokens for word, tokens in self.effort_tokens.items() if tokens and word in accepted}

    def taken(self, effort: Effort) -> Effort:
        """The effort that it has, nearest to this one; one that can't but think has no `none`."""
        if self.most_thinking == 0:
            return "none"
        family = self.family
        words = (*family.efforts, *family.effort_words)
        if family.budget == "effort_only" and words:
            return effort if effort == "none" and self.stops else nearest_effort(effort, words)
        if effort != "none" or self.stops:
            return effort
        return next(word for word in EFFORTS if self.effort_tokens[word])

    @property
    def stops(self) -> bool:
        """It can be made to answer without a thought, or never has one."""
        if self.backend.supports_prefix or self.most_thinking == 0:
            return True
        return self.family.can_disable and (bool(self.family.soft_switch) or self.tells())

    def tells(self, *, by_default: bool = False) -> bool:
        """What its server is sent differs where it is to think from where it isn't."""
        if by_default not in self._tells_apart:
            on, off = self._steered(1, by_default=by_default), self._steered(0, by_default=by_default)
            self._tells_apart[by_default] = on != off
        return self._tells_apart[by_default]

    @property
    def asked_by_name(self) -> bool:
        """Nobody knows that it thinks, so it is asked to where somebody names an effort, and else isn't."""
        return (
            self.family.reasons == "perhaps"
            and not self.backend.supports_prefix
            and not self.tells(by_default=True)
        )

    @property
    def hides(self) -> bool:
        """Nobody sees it think, and no server holds it to a budget: nothing can, but a limit on all its tokens."""
        family = self.family
        return (
            family.shows == "nothing"
            and family.budget in ("none", "effort_only")
            and not self.backend.supports_prefix
        )

    def _steered(self, thinking: int, *, by_default: bool) -> dict[str, Any]:
        """What its server is told where so much is to be thought."""
        effort = "medium" if thinking else "none"
        room = max(thinking, self.family.budget_min)
        call = Call(
            model=self.upstream_name,
            family=self.family,
            messages=(),
            max_tokens=room + self.answer_tokens,
            thinking_tokens=thinking and room,
            effort=effort,
            by_default=by_default,
        )
        return self.backend.steers(call)

    def input_bound(self, messages: tuple[Message, ...], output_spec: OutputSpec | None = None) -> int:
        """A count that the prompt can't exceed: a token is at least one byte of text."""
        bound = _bytes(self.family.system) + _PER_MESSAGE + messages_bound(messages)
        return bound if output_spec is None else bound + _output_spec_bound(output_spec)

    def expected_input(
        self, messages: tuple[Message, ...], output_spec: OutputSpec, *, wanted: int, costs: bool
    ) -> int:
        """For a call that can't wait for a count: its bound, or what is usual where only the context would bind."""
        bound = self.input_bound(messages, output_spec)
        if costs or self.context is None or bound + wanted <= self.context:
            return bound
        return min(bound, math.ceil(bound * self.speed.tokens_per_byte))

    def next_input_bound(self, first: int, thinking: int) -> int:
        """For a call after the first: what a resumed sequence adds, else prompt and thinking over again."""
        return _JOINT if self.backend.resumes else self.taken_over_bound(first, thinking)

    def taken_over_bound(self, first: int, thinking: int) -> int:
        """Prompt and thinking, sent whole."""
        return first + math.ceil(_RETOKENIZED * thinking) + _JOINT

    def thought_bound(self, thought: str) -> int:
        """Tokens of a thought to go on from: at most so many where they cost something, else about so many."""
        if not thought:
            return 0
        if self.price.per_input_token:
            return _bytes(thought) + _JOINT
        return math.ceil(_RETOKENIZED * self.speed.estimate_tokens(thought)) + _JOINT

    def input_estimate(self, call: Call) -> int:
        """Prompt tokens of a call whose server didn't count them: its bound in bytes, at the usual bytes to a token."""
        bound = self.input_bound(call.messages, call.output_spec)
        return math.ceil(bound * self.speed.tokens_per_byte) + self.speed.estimate_tokens(call.continuation)

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


def messages_bound(messages: tuple[Message, ...]) -> int:
    """Of the messages alone, whoever reads them."""
    bound = 0
    for message in messages:
        content = message.content
        bound += _PER_MESSAGE
        bound += _bytes(content) if isinstance(content, str) else sum(map(_part_bound, content))
    return bound


def _part_bound(part: Part) -> int:
    if isinstance(part, Text | Thought):
        return _bytes(part.text) + (len(part.provider_state.data) if part.provider_state else 0)
    if isinstance(part, Image):
        return _PER_IMAGE
    if isinstance(part, ToolUse):
        return _PER_MESSAGE + _bytes(part.name) + _bytes(part.arguments)
    if isinstance(part, Document):
        return 0  # its text was read before
    return _PER_MESSAGE + _result_bound(part)


def _result_bound(result: ToolResult) -> int:
    if isinstance(result.content, str):
        return _bytes(result.content)
    return sum(map(_part_bound, result.content))


def _output_spec_bound(output_spec: OutputSpec) -> int:
    bound = 0
    if output_spec.tools:
        bound += _PER_TOOL * (1 + len(output_spec.tools)) + len(msgspec.json.encode(output_spec.tools))
    if output_spec.output is not None:
        bound += _PER_TOOL + len(msgspec.json.encode(output_spec.output))
    return bound


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
