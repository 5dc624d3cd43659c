"""Read the body of `POST /v1/completions` into a `Request`."""

from typing import Any

import msgspec

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.decode import decode
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.extension_fields import DialectFields, request_of
from perpend.serving.dialects.openai_completions_schema import CompletionRequest
from perpend.serving.dialects.openai_request import check_fields, includes_usage, sampling_of
from perpend.serving.dialects.output_specs import NO_OUTPUT_SPEC
from perpend.serving.fields import Ignored
from perpend.types import Message

_decoder = msgspec.json.Decoder(CompletionRequest)


class CompletionParsed(Parsed, frozen=True, gc=False, kw_only=True):
    """A parsed body of `POST /v1/completions`."""

    echo: str = ""
    """The prompt, where the answer repeats it first; else empty."""


def parse(body: bytes, config: Config) -> CompletionParsed:
    """The body as a request. Raises BadRequest naming the first field that is wrong or not supported."""
    ignored = Ignored(strict=config.serve.strict_fields)
    fields = decode(_decoder, body, ignored)
    check_fields(fields, ignored)
    if fields.best_of is not None and fields.best_of != (fields.n or 1):
        ignored.add("best_of")
    prompt = _prompt(fields.prompt)
    sampling = sampling_of(fields, logprobs=fields.logprobs)
    dialect_fields = DialectFields(
        (Message("user", prompt),),
        fields.model,
        fields.max_tokens,
        sampling,
        NO_OUTPUT_SPEC,
        fields.user,
    )
    return CompletionParsed(
        request=request_of(dialect_fields, fields, config, ignored),
        stream=bool(fields.stream),
        include_usage=includes_usage(fields),
        echo=prompt if fields.echo else "",
    )


def _prompt(prompt: str | list[Any]) -> str:
    """The text to complete. Raises BadRequest."""
    text = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
    if isinstance(text, str):
        return text
    if prompt and isinstance(prompt[0], str):
        raise BadRequest("several prompts at once", hint="send one request for each", field="prompt")
    hint = "send text: token ids differ between models"
    raise BadRequest("a prompt has to be text", hint=hint, field="prompt")
