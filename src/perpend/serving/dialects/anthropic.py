"""The dialect of Anthropic's Messages API, with Perpend's own fields beside Anthropic's."""

from typing import Any

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.serving.dialects.anthropic_answer import failure, message_body
from perpend.serving.dialects.anthropic_request import MessagesParsed, parse
from perpend.serving.dialects.anthropic_stream import MessageStream
from perpend.serving.dialects.contract import Stream
from perpend.types import Answer


class AnthropicDialect:
    """`POST /v1/messages` (Anthropic's API reference, "Create a Message")."""

    source = "messages"

    def parse(self, body: bytes, config: Config, key_id: str | None) -> MessagesParsed:
        """The body as a request. Raises BadRequest naming the field, and ThreadNotFound."""
        return parse(body, config)

    def whole(self, answer: Answer, parsed: MessagesParsed) -> bytes:
        return message_body(answer, parsed)

    def stream(self, parsed: MessagesParsed) -> Stream:
        return MessageStream(parsed)

    def failure(self, error: PerpendError) -> Any:
        return failure(error)
