"""Render an `Answer` as a legacy completion, whole and streamed. This API has no field for thinking."""

import time
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from perpend.errors import PerpendError
from perpend.serving import errors, sse
from perpend.serving.dialects.openai_chat_answer import finish_reason, last_chunk, other_choices, usage_block
from perpend.serving.dialects.openai_completions_schema import TextChoice, TextCompletion, TextLogprobs
from perpend.serving.dialects.report import encode, perpend_block
from perpend.types import Answer, AnswerDelta, Event, Finished, Progress, Started, TokenLogprob


def completion_of(answer: Answer, echo: str) -> TextCompletion:
    """The body of a completion (OpenAI's API reference, "Legacy completions"); `echo` precedes each answer."""
    return TextCompletion(
        id=f"cmpl-{answer.request_id}",
        created=int(time.time()),
        model=answer.plan.model,
        choices=[
            TextChoice(
                echo + choice.text, index, _logprobs(choice.logprobs, len(echo)), finish_reason(choice)
            )
            for index, choice in enumerate([answer, *other_choices(answer)])
        ],
        usage=usage_block(answer),
        perpend=perpend_block(answer),
    )


def _logprobs(tokens: tuple[TokenLogprob, ...], offset: int) -> TextLogprobs | None:
    if not tokens:
        return None
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return TextLogprobs(
        [token.token for token in tokens],
        [token.logprob for token in tokens],
        [{other.token: other.logprob for other in token.top_logprobs} for token in tokens],
        offsets,
    )


class CompletionStream:
    """Renders one stream: the answer as it comes, then the rest of it and its log-probabilities."""

    keep_alive = sse.KEEP_ALIVE
    stream_only_codes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, echo: str, include_usage: bool) -> None:
        self.done = False
        self._echo = echo
        self._include_usage = include_usage
        self._head = b""
        self._sent = 0

    def render(self, batch: Sequence[Event]) -> bytes:
        """The batch's bytes on the wire; empty when no event of it is for the client."""
        parts: list[bytes] = []
        for event in batch:
            if isinstance(event, AnswerDelta):
                self._add_text(event.text, parts)
            elif isinstance(event, Progress):
                parts.append(sse.comment(b"progress", event))
            elif isinstance(event, Started):
                self._open(event)
            elif isinstance(event, Finished):
                self._finish(event.answer, parts)
        return b"".join(parts)

    def fail(self, error: PerpendError) -> bytes:
        """The last bytes of a failed stream: stock clients raise on a chunk with `error`."""
        self.done = True
        return sse.data(errors.body_of(error)) + sse.DONE

    def _open(self, event: Started) -> None:
        empty = TextCompletion(
            id=f"cmpl-{event.request_id}", created=int(time.time()), model=event.model, choices=[]
        )
        fields: dict[str, object] = msgspec.to_builtins(empty)
        del fields["choices"]
        self._head = b"data: " + encode(fields)[:-1]

    def _add_text(self, text: str, parts: list[bytes]) -> None:
        if text and not self._sent and self._echo:
            self._piece(TextChoice(self._echo, 0, None, None), parts)
        if text:
            self._sent += len(text)
            self._piece(TextChoice(text, 0, None, None), parts)

    def _piece(self, choice: TextChoice, parts: list[bytes], end: bytes = b"}\n\n") -> None:
        parts += (self._head, b',"choices":[', encode(choice), b"]", end)

    def _finish(self, answer: Answer, parts: list[bytes]) -> None:
        self._add_text(answer.text[self._sent :], parts)
        whole = completion_of(answer, self._echo)
        first, *others = whole.choices
        for choice in others:
            self._piece(choice, parts)
        self._piece(msgspec.structs.replace(first, text=""), parts, end=b"")
        parts += last_chunk(answer, self._head, separate=self._include_usage)
        self.done = True
