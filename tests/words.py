"""A server in miniature, for tests that need exact counts and no model."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from stub_backend import StubBackend

from perpend.backends.contract import Call, CallEvent
from perpend.errors import UpstreamError
from perpend.types import AnswerDelta, CallEnded, ThinkingDelta, Usage


class WordBackend(StubBackend):
    """Thinks and answers in numbered words, one token each, exactly as many as it may.

    `thought` and `reply` bound what it would say by itself; it continues and counts, so budgets are exact.
    """

    supports_prefix = True
    resumes = True

    def __init__(self, *, thought: int, reply: int, delay_s: float = 0.0) -> None:
        self.thought = thought
        self.reply = reply
        self.delay_s = delay_s
        self.calls: list[Call] = []
        self.streaming = 0
        """Calls under way now: zero after every request, however it ended."""
        self.answered = 0
        """Words of answers that were heard."""

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        self.calls.append(call)
        self.streaming += 1
        try:
            said = self.thought if call.phase == "thinking" else self.reply
            for number in range(min(said, call.max_tokens)):
                await asyncio.sleep(self.delay_s)
                word = f"w{number} "
                yield [ThinkingDelta(word) if call.phase == "thinking" else AnswerDelta(word)]
                self.answered += call.phase != "thinking"
            spoken = min(said, call.max_tokens)
            thinking = spoken if call.phase == "thinking" else 0
            usage = Usage(await self.count_input(call), 0, thinking, spoken - thinking)
            yield [CallEnded("length" if said > call.max_tokens else "stop", usage, "words-1")]
        finally:
            self.streaming -= 1

    async def count_input(self, call: Call) -> int:
        return sum(len(m.text.split()) for m in call.messages) + len(call.continuation.split())


class MortalWords(WordBackend):
    """Its calls die: `dies` is asked before each word."""

    def __init__(self, *, thought: int, reply: int, dies: Callable[[], bool], delay_s: float = 0.0) -> None:
        super().__init__(thought=thought, reply=reply, delay_s=delay_s)
        self._dies = dies

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        async with aclosing(super().stream(call)) as batches:
            async for batch in batches:
                if self._dies():
                    raise UpstreamError("the server died")
                yield batch
