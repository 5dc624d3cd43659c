"""Thoughts that are grown step by step, rated and compared: what `beam` and `tree` search.

A verifier that rates thoughts is asked after each step. Any other one is shown the answer that the thought would
give now, which is a candidate of its own: the first that passes with full marks ends the search.

Steps of thoughts that go nowhere cost as much as those of the one that's kept: a search that rates thoughts ends when
half of the thinking is spent, so that the best one can be thought to its end with the other half.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from perpend.strategies.contract import CUT, Session
from perpend.strategies.sampling_pool import Draw, drawn, full_marks, rank, sampling_of
from perpend.types import Candidate

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class ThoughtNode:
    text: str = ""
    ended: bool = False
    """The model closed it."""
    score: float = 0.0
    depth: int = 0
    """Steps taken."""
    tree: int = 0
    """Which of several searches side by side it belongs to."""
    answer: Candidate | None = None


class Search:
    """What has been found so far, and what may still be spent on more."""

    def __init__(self, session: Session, *, step: str, step_tokens: int) -> None:
        """`step`: the text that ends one, if it comes within `step_tokens`."""
        self.best: Candidate | None = None
        self.over = False
        """An answer has full marks, or there's no budget or time for more steps."""
        self.grown: list[ThoughtNode] = []
        self._session = session
        self._step = step
        self._step_tokens = step_tokens
        self._kept = session.budget.thinking // 2 if session.verifier.rates_thoughts else 0
        self._draws = 0

    async def grow(self, thoughts: Sequence[ThoughtNode], each: int) -> list[ThoughtNode]:
        """`each` next steps of each thought, side by side and rated; of equal ones, one.

        None are begun where they couldn't all be whole.
        """
        parents = [thought for thought in thoughts for _ in range(each)]
        left = self._session.budget.thinking
        if self.over or left <= self._kept or left < len(parents) * self._step_tokens:
            self.over = True
            return []
        first = self._numbers(len(parents))

        async def step(part: Session, number: int) -> ThoughtNode:
            parent = parents[number % len(parents)]
            sampling = sampling_of(part, first + number)
            said = await part.think(parent.text, tokens=self._step_tokens, stop=self._step, sampling=sampling)
            return ThoughtNode(
                parent.text + said.text, said.ended, parent.score, parent.depth + 1, parent.tree
            )

        made = await self._drawn(len(parents), step)
        grown = distinct(made)
        self.grown += grown
        if len(made) < len(parents):  # ratings would be paid with the room of the answer
            self.over = True
        elif self._session.verifier.rates_thoughts:
            await self._rate(grown)
        else:
            await self._answer(grown, 0)
        return grown

    async def finish(self, thoughts: Sequence[ThoughtNode]) -> Candidate:
        """The best answer: of the search, and of these thoughts, the best first.

        That one may think to its end with all that is left, and the others with what it leaves.
        """
        first, *others = thoughts
        ended = [thought for thought in others if thought.ended]
        for group in ([first], ended, *([thought] for thought in others if not thought.ended)):
            await self._answer([thought for thought in group if self._may_differ(thought)], None)
        if self.best is None:  # the upstream failed, or not even this had room: an error says so
            return await self._session.sample(shown=True)
        return self.best

    def _may_differ(self, thought: ThoughtNode) -> bool:
        """An answer may come of it that isn't known yet."""
        if self._perfect:
            return False
        if thought.ended:
            return thought.answer is None
        return self.best is None or self._session.budget.thinking > 0

    @property
    def _perfect(self) -> bool:
        return self.best is not None and full_marks(self.best)

    async def _rate(self, thoughts: list[ThoughtNode]) -> None:
        async def rated(part: Session, number: int) -> None:
            score = await part.budget.part(2).verifier.rate(
                thoughts[number].text
            )  # half of it stays for answers
            if score is not None:
                thoughts[number].score = score

        await self._drawn(len(thoughts), rated)

    async def _answer(self, thoughts: list[ThoughtNode], tokens: int | None) -> None:
        """Each thinks on for so many tokens, by default for all of its part, and answers."""
        first = self._numbers(len(thoughts))

        async def answered(part: Session, number: int) -> ThoughtNode:
            thought = thoughts[number % len(thoughts)]
            thinking = 0 if thought.ended else tokens
            sampling = sampling_of(part, first + number)
            candidate = await part.sample(thought=thought.text, thinking_tokens=thinking, sampling=sampling)
            thought.answer = await part.verifier.verify(candidate)
            if thought.answer.score is not None:
                thought.score = thought.answer.score
            if self.best is None or rank(thought.answer) > rank(self.best):
                self.best = thought.answer
                self._session.keep(self.best)
            self.over = self.over or self._perfect
            return thought

        await self._drawn(len(thoughts), answered)

    def _numbers(self, count: int) -> int:
        """The first of `count` new numbers, by which seeds differ."""
        self._draws += count
        return self._draws - count

    async def _drawn(self, count: int, draw: Draw[T]) -> list[T]:
        """What could be drawn, in the order in which it was begun; no more once an answer has full marks."""
        made: dict[int, T] = {}

        async def numbered(part: Session, number: int) -> None:
            made[number] = await draw(part, number)

        try:
            async with aclosing(drawn(self._session, count, numbered)) as draws:
                async for _ in draws:
                    if self._perfect:
                        break
        except CUT:
            self.over = True
        return [made[number] for number in sorted(made)]


def distinct(thoughts: Sequence[ThoughtNode]) -> list[ThoughtNode]:
    """Of equal ones in one tree, the first."""
    found: dict[tuple[int, str, bool], ThoughtNode] = {}
    for thought in thoughts:
        found.setdefault((thought.tree, thought.text.strip(), thought.ended), thought)
    return list(found.values())
