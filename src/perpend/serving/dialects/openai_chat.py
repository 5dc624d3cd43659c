"""The dialect of OpenAI's chat completions, with Perpend's own fields beside OpenAI's."""

from typing import Any

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.serving import errors
from perpend.serving.dialects.contract import Stream
from perpend.serving.dialects.openai_chat_answer import completion_body
from perpend.serving.dialects.openai_chat_request import ChatParsed, parse
from perpend.serving.dialects.openai_chat_stream import ChatStream
from perpend.types import Answer


class OpenAIChatDialect:
    """`POST /v1/chat/completions` (OpenAI's API reference, "Create chat completion")."""

    source = "chat"

    def parse(self, body: bytes, config: Config, key_id: str | None) -> ChatParsed:
        """The body as a request. Raises BadRequest naming the field."""
        return parse(body, config)

    def whole(self, answer: Answer, parsed: ChatParsed) -> bytes:
        return completion_body(
            answer, parsed.request.visibility, functions=parsed.functions, custom=parsed.custom
        )

    def stream(self, parsed: ChatParsed) -> Stream:
        return ChatStream(
            parsed.request.visibility, parsed.include_usage, functions=parsed.functions, custom=parsed.custom
        )

    def failure(self, error: PerpendError) -> Any:
        return errors.body_of(error)
