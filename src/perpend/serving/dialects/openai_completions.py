"""The dialect of OpenAI's legacy completions: the prompt becomes one user message."""

from typing import Any

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.serving import errors
from perpend.serving.dialects.contract import Stream
from perpend.serving.dialects.openai_completions_answer import CompletionStream, completion_of
from perpend.serving.dialects.openai_completions_request import CompletionParsed, parse
from perpend.serving.dialects.report import encode
from perpend.types import Answer


class OpenAICompletions:
    """`POST /v1/completions` (OpenAI's API reference, "Create completion")."""

    source = "completions"

    def parse(self, body: bytes, config: Config, key_id: str | None) -> CompletionParsed:
        """The body as a request. Raises BadRequest naming the field."""
        return parse(body, config)

    def whole(self, answer: Answer, parsed: CompletionParsed) -> bytes:
        return encode(completion_of(answer, parsed.echo))

    def stream(self, parsed: CompletionParsed) -> Stream:
        return CompletionStream(parsed.echo, parsed.include_usage)

    def failure(self, error: PerpendError) -> Any:
        return errors.body_of(error)
