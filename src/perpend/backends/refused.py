"""Finds what an upstream refused: a thinking parameter, the output limit, the system message, or something else.

Vendors have no common words. A refusal is about the parameter that it names, unless it names another part of the
request before; a parameter that it only hints at ("thinking", "the effort parameter") counts where the message says
that something isn't accepted. Conditions ("temperature … when thinking is enabled") are ignored.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from perpend.errors import ContextTooLong, Rejected, UpstreamError

_REFUSES = re.compile(
    r"support|permit|unknown|unrecogni[sz]ed|unexpected|extra (input|field|param|argument)|no such|must be verified"
    r"|(not|n't|cannot) (\w+ )?(accept|allow|recogni[sz]e|take|use|know|understand|implement|a valid|valid|available)"
    r"|can ?not be|can't be|\binvalid\b|illegal|not (enabled|configured)|mandatory|restricted to|not an? "
    r"|(must|should) be (one of|')",
    re.IGNORECASE,
)
"""The message says that a field or value isn't accepted."""
_OF_FIELD = re.compile(
    r"(extra|unknown|unexpected|unrecogni[sz]ed|invalid|additional) "
    r"(request )?(input|field|param|arg|key|name|propert)|extra_forbidden|was unexpected",
    re.IGNORECASE,
)
_OF_VALUE = re.compile(
    r"\bvalues?\b|one of|restricted to|mandatory|between|out of range|(cannot|can't) be disabled|unknown variant"
    r"|input should be|must be (set|a|an|one|['\"`])\b|greater than|less than|\benum\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(when|while|if|with) [^.;:\n]*|\b(in|for|by) (the |this )?(extended )?(thinking|reasoning)\b[^.;\n]*",
    re.IGNORECASE,
)
_THINKING = ("thinking", "reasoning", "think")
_HINT = re.compile(
    rf"(?<![\w./-])({'|'.join(_THINKING)}|effort|budget|summar(?=y\b|ies\b))(?![\w-]*[-_])", re.IGNORECASE
)
_ADJECTIVE = re.compile(r"(?<!not a )\b(thinking|reasoning) (models?|content|blocks?)\b", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"\b(messages?|contents?|input|tools?)[.\[]|invalid schema|json_schema|response_format|output_config\.format"
    r"|\b(temperature|top_[pk]|logprobs|stop|seed|(presence|frequency)_?penalty|tool_choice)\b"
    r"|(?<!reasoning\.)\bmax_(completion_|output_|new_)?tokens\b|\b(images?|image_url|(function|tool) call\w*)\b",
    re.IGNORECASE,
)
"""Other parts of a request: messages and tool schemas may contain a parameter's name."""
_VAGUE = (*_THINKING, "type", "include", "effort", "summary", "enabled", "generationConfig")
"""Names that are too common to identify a parameter."""

_OUTPUT = re.compile(
    r"max(imum)?[_ ]?(number of )?(output|completion|new)?[_ ]?tokens|completion tokens|num_predict",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<below>(?:lower|less|smaller) than\W*|(?<![-=])<\s*)?(?<![\w.-])(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?![\w-])"
    r"(?P<out>\W{0,2}exclusive)?",
    re.IGNORECASE,
)
_MIN_OUTPUT = 128
"""Tokens; smaller numbers in a message aren't output limits."""
_WINDOW = re.compile(
    r"context (?:length|window|size)\D{0,24}(?P<number>\d[\d,]*)|[<>]=? ?(?P<bound>\d[\d,]*)", re.IGNORECASE
)
_MIN_ROOM = 16
"""Tokens; with less, the prompt is too long."""
_NO_SYSTEM = re.compile(
    r"(system|developer)[ _](instruction|message|prompt|role)s?.{0,20} (not|isn't|aren't) "
    r"(enabled|support|allow|permit)"
    r"|not (support|accept|allow|take).{0,20}['\"`]?(system|developer)\b"
    r"|['\"`](system|developer)['\"`].{0,20} (not|isn't) (enabled|an? (supported|allowed|valid)|support|allow|permit)"
    r"|only user and assistant roles",
    re.IGNORECASE,
)


def refused_params(error: UpstreamError, params: Mapping[str, Any]) -> frozenset[str]:
    """The `thinking_params` that the upstream refused; none where the refusal is about something else.

    A value alone is refused where the upstream speaks of values, or says the one that it was sent: `PATH=VALUE`.
    """
    if type(error) is not Rejected:
        return frozenset()
    return frozenset(
        f"{path}={params[path]}" if _by_value(error.upstream_message, params[path]) else path
        for path in _about(error, params)
    )


def _about(error: UpstreamError, params: Mapping[str, Any]) -> list[str]:
    if error.upstream_param:
        return [path for path in params if _names_param(path, error.upstream_param)]
    message = _CONDITION.sub(" ", error.upstream_message)
    if (other_part := _ELSEWHERE.search(message)) is not None:
        message = message[: other_part.start()]
    flat_message = _flat(message)
    for names_of in (_own_names, _parent_names):
        if about := [path for path in params if any(name in flat_message for name in names_of(path))]:
            return about
    hints = (
        {word.lower() for word in _HINT.findall(_ADJECTIVE.sub(" ", message))}
        if _REFUSES.search(message)
        else set[str]()
    )
    thinking_hints = hints.intersection(_THINKING)
    for words in (hints - thinking_hints, thinking_hints):
        if about := [path for path in params if any(word in path.lower() for word in words)]:
            return about
    return [*params] if thinking_hints else []


def _names_param(path: str, names: str) -> bool:
    """Whether an error's field is the parameter, one above it, or one below it."""
    path_parts, named_parts = _flats(path.split(".")), _flats(re.split(r"[^\w-]+", names))
    is_parent, is_child = (
        path_parts[: len(named_parts)] == named_parts,
        named_parts[: len(path_parts)] == path_parts,
    )
    return (
        is_parent
        or is_child
        or _flat(names).endswith(_flat(path))
        or path_parts[-len(named_parts) :] == named_parts
    )


def _own_names(path: str) -> list[str]:
    """The whole path, or its last name; without a final y, as messages may say summaries."""
    return [_flat(name).removesuffix("y") for name in (path, path.rpartition(".")[2]) if name not in _VAGUE]


def _parent_names(path: str) -> list[str]:
    return _flats(name for name in path.split(".")[:-1] if name not in _VAGUE)


def _flats(names: Iterable[str]) -> list[str]:
    return [flat_message for name in names if (flat_message := _flat(name))]


def _flat(name: str) -> str:
    """The name in lower case, letters and digits alone: vendors spell it in several ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _by_value(message: str, value: Any) -> bool:
    if not isinstance(value, str | bool | int) or _OF_FIELD.search(message):
        return False
    sent = re.search(rf"(?<![\w.-]){re.escape(str(value))}(?![\w-])", message, re.IGNORECASE)
    return sent is not None or _OF_VALUE.search(message) is not None


def _count(number: str) -> int:
    return int(number.replace(",", ""))


def stated_max_output(error: UpstreamError, requested: int) -> int | None:
    """The model's output limit, in tokens, that a refusal of `requested` tokens states; None where it states none."""
    if type(error) is not Rejected or not _OUTPUT.search(error.upstream_message):
        return None
    numbers = {
        (_count(match["number"]), bool(match["below"] or match["out"]))
        for match in _NUMBER.finditer(error.upstream_message)
    }
    limit = max((number for number, _ in numbers if _MIN_OUTPUT < number < requested), default=None)
    return None if limit is None else limit - ((limit, True) in numbers)


def stated_room(error: UpstreamError, requested: int) -> int | None:
    """The output tokens that fit beside the prompt, from a refusal of `requested` tokens; None where it doesn't tell.

    Servers state the window, the prompt, the requested tokens, and sums of these, in any order.
    """
    if type(error) is not ContextTooLong or (window := _WINDOW.search(error.upstream_message)) is None:
        return None
    context = _count(window["number"] or window["bound"])
    numbers = [_count(match["number"]) for match in _NUMBER.finditer(error.upstream_message)]
    if requested not in numbers:
        return None
    numbers.remove(requested)
    prompts = {number for number in numbers if number < context}
    prompt = sum(prompts) if sum(prompts) + requested in numbers else max(prompts, default=context)
    room = context - prompt - 1  # some take the window itself as too much
    return room if _MIN_ROOM <= room < requested - 1 else None


def refuses_system(error: UpstreamError) -> bool:
    """Whether the refusal is about the role of a system message."""
    return (
        type(error) is Rejected
        and _NO_SYSTEM.search(f"{error.upstream_param} {error.upstream_message}") is not None
    )
