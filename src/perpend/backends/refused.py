"""What of a request an upstream's refusal is about: a knob that asks for thinking, how much may be written, the system
message, or something else.

Vendors say it in any words. A knob that a refusal names is what it is about, unless another part of the request is
named before it; one that is only hinted at ("thinking", "the effort parameter") has to be refused in so many words.
What holds under a condition ("temperature … when thinking is enabled") is about the rest of the sentence.
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
"""That a field is refused, and not that something is wrong beside it."""
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
"""Other parts of a request: what stands in a conversation, or in a tool's schema, may have a knob's name."""
_VAGUE = (*_THINKING, "type", "include", "effort", "summary", "enabled", "generationConfig")
"""Names that say little by themselves."""

_OUTPUT = re.compile(
    r"max(imum)?[_ ]?(number of )?(output|completion|new)?[_ ]?tokens|completion tokens|num_predict",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<below>(?:lower|less|smaller) than\W*|(?<![-=])<\s*)?(?<![\w.-])(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?![\w-])"
    r"(?P<out>\W{0,2}exclusive)?",
    re.IGNORECASE,
)
_LEAST_OUTPUT = 128
"""A smaller number in what is said is another one."""
_WINDOW = re.compile(
    r"context (?:length|window|size)\D{0,24}(?P<number>\d[\d,]*)|[<>]=? ?(?P<bound>\d[\d,]*)", re.IGNORECASE
)
_LEAST_ROOM = 16
"""With less, the prompt is what is too long."""
_NO_SYSTEM = re.compile(
    r"(system|developer)[ _](instruction|message|prompt|role)s?.{0,20} (not|isn't|aren't) "
    r"(enabled|support|allow|permit)"
    r"|not (support|accept|allow|take).{0,20}['\"`]?(system|developer)\b"
    r"|['\"`](system|developer)['\"`].{0,20} (not|isn't) (enabled|an? (supported|allowed|valid)|support|allow|permit)"
    r"|only user and assistant roles",
    re.IGNORECASE,
)


def refused_asks(error: UpstreamError, asks: Mapping[str, Any]) -> frozenset[str]:
    """Which of the `asks` (values by paths of the body) is what this refusal is about; none: it's about something else.

    A value alone is refused where the upstream speaks of values, or says the one that it was sent: `PATH=VALUE`.
    """
    if type(error) is not Rejected:
        return frozenset()
    return frozenset(
        f"{path}={asks[path]}" if _by_value(error.upstream_message, asks[path]) else path
        for path in _about(error, asks)
    )


def _about(error: UpstreamError, asks: Mapping[str, Any]) -> list[str]:
    if error.upstream_param:
        return [path for path in asks if _same(path, error.upstream_param)]
    said = _CONDITION.sub(" ", error.upstream_message)
    if (other := _ELSEWHERE.search(said)) is not None:
        said = said[: other.start()]
    flat = _flat(said)
    for named in (_own_name, _above):
        if about := [path for path in asks if any(name in flat for name in named(path))]:
            return about
    hints = (
        {word.lower() for word in _HINT.findall(_ADJECTIVE.sub(" ", said))}
        if _REFUSES.search(said)
        else set[str]()
    )
    thinks = hints.intersection(_THINKING)
    for words in (hints - thinks, thinks):
        if about := [path for path in asks if any(word in path.lower() for word in words)]:
            return about
    return [*asks] if thinks else []


def _same(path: str, names: str) -> bool:
    """A field that an error names as its own may stand above the one that was sent, within it, or be it."""
    ours, theirs = _flats(path.split(".")), _flats(re.split(r"[^\w-]+", names))
    above, within = ours[: len(theirs)] == theirs, theirs[: len(ours)] == ours
    return above or within or _flat(names).endswith(_flat(path)) or ours[-len(theirs) :] == theirs


def _own_name(path: str) -> list[str]:
    """The whole path, or the last name in it; a summary may be told of as summaries."""
    return [_flat(name).removesuffix("y") for name in (path, path.rpartition(".")[2]) if name not in _VAGUE]


def _above(path: str) -> list[str]:
    return _flats(name for name in path.split(".")[:-1] if name not in _VAGUE)


def _flats(names: Iterable[str]) -> list[str]:
    return [flat for name in names if (flat := _flat(name))]


def _flat(name: str) -> str:
    """Vendors spell a name in several ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _by_value(said: str, value: Any) -> bool:
    if not isinstance(value, str | bool | int) or _OF_FIELD.search(said):
        return False
    sent = re.search(rf"(?<![\w.-]){re.escape(str(value))}(?![\w-])", said, re.IGNORECASE)
    return sent is not None or _OF_VALUE.search(said) is not None


def _count(number: str) -> int:
    return int(number.replace(",", ""))


def told_output(error: UpstreamError, asked: int) -> int | None:
    """How many tokens a model writes at most, where it is refused for that to write so many as were asked for."""
    if type(error) is not Rejected or not _OUTPUT.search(error.upstream_message):
        return None
    numbers = {
        (_count(found["number"]), bool(found["below"] or found["out"]))
        for found in _NUMBER.finditer(error.upstream_message)
    }
    most = max((number for number, _ in numbers if _LEAST_OUTPUT < number < asked), default=None)
    return None if most is None else most - ((most, True) in numbers)


def told_room(error: UpstreamError, asked: int) -> int | None:
    """How many tokens there is room for, where a prompt fits its window and only not with so many asked for beside it.

    Servers say the window, the prompt, what was asked for, and sums of these, in any order.
    """
    if type(error) is not ContextTooLong or (window := _WINDOW.search(error.upstream_message)) is None:
        return None
    context = _count(window["number"] or window["bound"])
    numbers = [_count(found["number"]) for found in _NUMBER.finditer(error.upstream_message)]
    if asked not in numbers:
        return None
    numbers.remove(asked)
    prompts = {number for number in numbers if number < context}
    whole = sum(prompts) if sum(prompts) + asked in numbers else max(prompts, default=context)
    room = context - whole - 1  # some take the window itself as too much
    return room if _LEAST_ROOM <= room < asked - 1 else None


def refuses_system(error: UpstreamError) -> bool:
    """The model takes no system message."""
    return (
        type(error) is Rejected
        and _NO_SYSTEM.search(f"{error.upstream_param} {error.upstream_message}") is not None
    )
