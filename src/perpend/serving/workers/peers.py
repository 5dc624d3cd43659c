"""The other workers, as one of them sees them."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from perpend.serving.workers.channel import Answerer, Channel, Unanswered
from perpend.serving.workers.messages import NOTHING, PeerQuestion

T = TypeVar("T")


class Peers:
    """Asks them through the supervisor, and answers what they ask."""

    def __init__(self, channel: Channel, index: int, count: int) -> None:
        self.index = index
        """Of this worker, from 0: unique among those that live, and the same after a restart."""
        self.count = count
        self._channel = channel
        self._answers: dict[str, Answerer] = {}
        channel.answers["peer"] = self._asked

    def answer(self, subject: str, body: type[T], answer: Callable[[T], Awaitable[Any]]) -> None:
        """`answer` is asked about `subject` by the others; None from it: this worker has no answer."""

        async def decoded(raw: Raw) -> Any:
            return await answer(msgspec.msgpack.decode(raw, type=body))

        self._answers[subject] = decoded

    async def ask(self, subject: str, body: Any, type_: type[T]) -> T | None:
        """The answer of the one that has one; None where none has, or the one that had it died meanwhile."""
        question = PeerQuestion(subject, Raw(msgspec.msgpack.encode(body)))
        try:
            found = await self._channel.ask("peers", question, Raw)
        except Unanswered:
            return None
        return None if found == NOTHING else msgspec.msgpack.decode(found, type=type_)

    async def scrape(self) -> bytes:
        """The metrics of all workers. Raises Unanswered."""
        return await self._channel.ask("scrape", None, bytes)

    async def _asked(self, raw: Raw) -> Any:
        question = msgspec.msgpack.decode(raw, type=PeerQuestion)
        answer = self._answers.get(question.subject)
        return None if answer is None else await answer(question.body)
