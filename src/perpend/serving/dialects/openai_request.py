"""What OpenAI's chat and its legacy completion ask for alike."""

from typing import Any

from perpend.serving.dialects.extension_fields import draw
from perpend.serving.dialects.openai_chat_schema import OpenAIRequest
from perpend.serving.fields import Ignored
from perpend.types import Sampling


def settle(given: OpenAIRequest, ignored: Ignored) -> None:
    """Refuse or pass over what isn't supported, and turn `n` into a strategy. Raises BadRequest."""
    ignored.settle(given)
    if given.stream_options is not None:
        ignored.settle(given.stream_options, "stream_options.")
    if given.n is not None and given.n > 1:
        draw(given, given.n)


def includes_usage(given: OpenAIRequest) -> bool:
    """Whether a stream has a chunk of its own for usage."""
    return given.stream_options is not None and bool(given.stream_options.include_usage)


def sampling_of(given: OpenAIRequest, **beside: Any) -> Sampling:
    """With `beside`, which one of them has alone. A penalty of 0 is the same as none."""
    stop = given.stop
    return Sampling(
        temperature=given.temperature,
        top_p=given.top_p,
        seed=given.seed,
        stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        presence_penalty=given.presence_penalty or None,
        frequency_penalty=given.frequency_penalty or None,
        logit_bias=given.logit_bias or None,
        **beside,
    )
