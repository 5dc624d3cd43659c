"""Request fields that OpenAI's chat completions and legacy completions share."""

from typing import Any

from perpend.serving.dialects.extension_fields import set_sample_count
from perpend.serving.dialects.openai_chat_schema import OpenAIRequest
from perpend.serving.fields import Ignored
from perpend.types import Sampling


def check_fields(fields: OpenAIRequest, ignored: Ignored) -> None:
    """Refuse or ignore unsupported fields, and turn `n` into a strategy. Raises BadRequest naming the field."""
    ignored.check_fields(fields)
    if fields.stream_options is not None:
        ignored.check_fields(fields.stream_options, "stream_options.")
    if fields.n is not None and fields.n > 1:
        set_sample_count(fields, fields.n)


def includes_usage(fields: OpenAIRequest) -> bool:
    """Whether the stream sends usage in a chunk of its own (`stream_options.include_usage`)."""
    return fields.stream_options is not None and bool(fields.stream_options.include_usage)


def sampling_of(fields: OpenAIRequest, **extra: Any) -> Sampling:
    """The sampling parameters; `extra` are those of one endpoint alone. A penalty of 0 is dropped."""
    stop = fields.stop
    return Sampling(
        temperature=fields.temperature,
        top_p=fields.top_p,
        seed=fields.seed,
        stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        presence_penalty=fields.presence_penalty or None,
        frequency_penalty=fields.frequency_penalty or None,
        logit_bias=fields.logit_bias or None,
        **extra,
    )
