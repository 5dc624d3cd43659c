"""From the body of `POST /v1/chat/completions` to a `Request`."""

from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.decode import decode
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.openai_chat_schema import ChatMessage, ChatRequest, ContentPart, Money
from perpend.types import Limits, Message, Request, Role, Sampling, StrategySpec

STRATEGY_DEPTH = 8
"""How deep the options of a strategy may nest."""

_decoder = msgspec.json.Decoder(ChatRequest)
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "verbosity": ("medium",),
    "tool_choice": ("auto", "none"),
    "function_call": ("auto", "none"),
}


_DEFAULT_STRATEGY = StrategySpec()
_DEFAULT_SAMPLING = Sampling()


def parse(body: bytes, config: Config) -> Parsed:
    """The body as a request. Raises BadRequest naming the first field that is wrong or not supported yet."""
    chat = decode(_decoder, body)
    _refuse_unsupported(chat)
    if len(chat.messages) > config.serve.max_messages:
        raise BadRequest(
            f"{len(chat.messages)} messages are more than this server takes",
            hint=f"send at most {config.serve.max_messages}, or raise serve.max_messages",
            field="messages",
        )
    effort = chat.reasoning_effort
    options = chat.stream_options
    request = Request(
        messages=tuple([_message(i, message) for i, message in enumerate(chat.messages)]),
        model=chat.model or None,
        effort="max" if effort == "xhigh" else effort,
        limits=Limits(
            max_thinking_tokens=chat.max_thinking_tokens,
            max_output_tokens=_max_output(chat),
            max_cost_usd=None if chat.max_cost_usd is None else _money(chat.max_cost_usd),
            deadline_ms=chat.deadline_ms,
        ),
        sampling=_sampling(chat),
        strategy=_DEFAULT_STRATEGY if chat.strategy is None else _strategy(chat.strategy),
        verifier=chat.verifier,
        visibility=chat.thinking_visibility or config.defaults.visibility,
        progress=bool(chat.progress),
    )
    return Parsed(request, bool(chat.stream), options is not None and bool(options.include_usage))


def _refuse_unsupported(chat: ChatRequest) -> None:
    if chat.router is not None and chat.router != "off":
        raise BadRequest(f"unknown router {chat.router!r}", hint="known: off", field="router")
    # One chain of truth tests on the hot path; which of them it was is found on the slow one.
    if (
        chat.tools
        or chat.functions
        or chat.response_format
        or chat.logprobs
        or chat.top_logprobs
        or chat.frequency_penalty
        or chat.presence_penalty
        or chat.logit_bias
        or chat.modalities
        or chat.verbosity
        or chat.tool_choice
        or chat.function_call
        or chat.audio
        or chat.prediction
        or chat.web_search_options
        or chat.moderation
        or chat.n is not None
    ):
        for field in _UNSUPPORTED:
            value = getattr(chat, field)
            if value not in _HARMLESS.get(field, ()) and (value or (field == "n" and value == 0)):
                raise _not_yet(field)


_UNSUPPORTED = (
    *("n", "response_format", "modalities", "verbosity", "logprobs", "top_logprobs", "frequency_penalty"),
    *("presence_penalty", "logit_bias", "tools", "tool_choice", "functions", "function_call", "audio"),
    *("prediction", "web_search_options", "moderation"),
)


def _not_yet(field: str, what: str | None = None) -> BadRequest:
    return BadRequest(f"{what or field} isn't supported yet", hint="leave it out", field=field)


def _message(index: int, message: ChatMessage) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        raise _not_yet(f"messages[{index}].role", f"role {message.role!r}")
    if message.tool_calls or message.function_call or message.audio:
        name = next(f for f in ("tool_calls", "function_call", "audio") if getattr(message, f))
        raise _not_yet(f"messages[{index}].{name}", name)
    content = message.content
    if isinstance(content, str):
        return Message(role, content)
    path = f"messages[{index}].content"
    if content is None:
        if role == "assistant":
            return Message(role, "")
        raise BadRequest("a message needs content", hint="send text", field=path)
    return Message(role, "".join([_text(f"{path}[{i}]", part) for i, part in enumerate(content)]))


def _text(path: str, part: ContentPart) -> str:
    if part.type != "text":
        raise _not_yet(f"{path}.type", f"content of type {part.type[:80]!r}")
    if part.text is None:
        raise BadRequest(f"{path}.text is missing", hint="a text part needs its text", field=f"{path}.text")
    return part.text


def _max_output(chat: ChatRequest) -> int | None:
    if chat.max_tokens is None or chat.max_tokens == chat.max_completion_tokens:
        return chat.max_completion_tokens
    if chat.max_completion_tokens is None:
        return chat.max_tokens
    raise BadRequest(
        "max_tokens and max_completion_tokens disagree",
        hint="send max_completion_tokens alone; it bounds thinking and answer together",
        field="max_tokens",
    )


def _money(value: Money) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= 1_000_000:
        raise BadRequest(
            "max_cost_usd isn't an amount of dollars", hint="a number from 0 to 1000000", field="max_cost_usd"
        )
    return amount


def _sampling(chat: ChatRequest) -> Sampling:
    stop = chat.stop
    if chat.temperature is None and chat.top_p is None and chat.seed is None and stop is None:
        return _DEFAULT_SAMPLING
    texts = () if stop is None else (stop,) if isinstance(stop, str) else tuple(stop)
    return Sampling(temperature=chat.temperature, top_p=chat.top_p, seed=chat.seed, stop=texts)


def _strategy(value: str | dict[str, Any]) -> StrategySpec:
    if isinstance(value, str):
        return StrategySpec(value)
    options = dict(value)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise BadRequest("strategy.name is missing", hint='such as {"name": "single"}', field="strategy.name")
    if _deeper_than(STRATEGY_DEPTH, options):
        hint = f"at most {STRATEGY_DEPTH} levels"
        raise BadRequest("strategy is nested too deep", hint=hint, field="strategy")
    return StrategySpec(name, options)


def _deeper_than(levels: int, value: object) -> bool:
    if isinstance(value, dict):
        inner = list(cast("dict[str, object]", value).values())
    elif isinstance(value, list):
        inner = cast("list[object]", value)
    else:
        return False
    return levels == 0 or any(_deeper_than(levels - 1, one) for one in inner)
