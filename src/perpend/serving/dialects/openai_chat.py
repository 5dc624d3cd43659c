"""OpenAI's chat completions, with Perpend's own fields beside OpenAI's."""

from typing import Any

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.serving import errors
from perpend.serving.dialects.contract import Parsed, Stream
from perpend.serving.dialects.openai_chat_answer import completion_body
from perpend.serving.dialects.openai_chat_request import parse
from perpend.serving.dialects.openai_chat_stream import ChatStream
from perpend.types import Answer


class OpenAIChat:
    source = "chat"

    def parse(self, body: bytes, config: Config, key_id: str | None) -> Parsed:
        return parse(body, config)

    def whole(self, answer: Answer, parsed: Parsed) -> bytes:
        return completion_body(answer, parsed.request.visibility)

    def stream(self, parsed: Parsed) -> Stream:
        return ChatStream(parsed.request.visibility, parsed.include_usage)

    def failure(self, error: PerpendError) -> Any:
        return errors.body_of(error)
