"""From the body of `POST /v1/completions` to a `Request`."""

from typing import Any

import msgspec

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.decode import decode
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.extension_fields import DialectFields, request_of
from perpend.serving.dialects.openai_completions_schema import CompletionRequest
from perpend.serving.dialects.openai_request import includes_usage, sampling_of, settle
from perpend.serving.dialects.output_specs import NO_OUTPUT_SPEC
from perpend.serving.fields import Ignored
from perpend.types import Message

_decoder = msgspec.json.Decoder(CompletionRequest)


class CompletionParsed(Parsed, frozen=True, gc=False, kw_only=True):
    echo: str = ""
    """The prompt, where it stands before the answer."""


def parse(body: bytes, config: Config) -> CompletionParsed:
    """The body as a request. Raises BadRequest naming the first field that is wrong or not supported."""
    ignored = Ignored(strict=config.serve.strict_fields)
    given = decode(_decoder, body, ignored)
    settle(given, ignored)
    if given.best_of is not None and given.best_of != (given.n or 1):
        ignored.add("best_of")
    prompt = _prompt(given.prompt)
    sampling = sampling_of(given, logprobs=given.logprobs)
    asked = DialectFields((Message("user", prompt),), given.model, given.max_tokens, sampling, NO_OUTPUT_SPEC)
    return CompletionParsed(
        request=request_of(asked, given, config, ignored),
        stream=bool(given.stream),
        include_usage=includes_usage(given),
        echo=prompt if given.echo else "",
    )


def _prompt(given: str | list[Any]) -> str:
    alone = given[0] if isinstance(given, list) and len(given) == 1 else given
    if isinstance(alone, str):
        return alone
    if given and isinstance(given[0], str):
        raise BadRequest("several prompts at once", hint="send a request for each", field="prompt")
    hint = "send text: token numbers mean something else to each model"
    raise BadRequest("a prompt has to be text", hint=hint, field="prompt")
