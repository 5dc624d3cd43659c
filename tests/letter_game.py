"""A game for searches: a thought is a word that is written letter by letter, and one word is right."""

from collections import Counter
from collections.abc import AsyncGenerator

from stub_backend import StubBackend

from perpend.backends.contract import Call, CallEvent
from perpend.types import PASSED, AnswerDelta, CallEnded, Candidate, ThinkingDelta, Usage, Verdict
from perpend.verifiers import Task, Verifier


class LetterBackend(StubBackend):
    """Proposes each letter in turn for what comes next; a step is a letter and a space, and each is a token.

    Its answer is the word, as far as it's written.
    """

    supports_prefix = True
    resumes = True

    def __init__(self, letters: str = "abc", length: int = 4) -> None:
        self.letters = letters
        self.length = length
        self.calls: list[Call] = []
        self._asked: Counter[str] = Counter()

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        self.calls.append(call)
        word = call.continuation.removeprefix(call.family.open).split(call.family.close)[0].split()
        if call.phase == "answering":
            yield [AnswerDelta("".join(word), 1)]
            yield [CallEnded("stop", Usage(len(word), 0, 0, 1))]
            return
        used = 0
        while len(word) < self.length and used < call.max_tokens:
            written = "".join(word)
            letter = self.letters[self._asked[written] % len(self.letters)]
            self._asked[written] += 1
            word.append(letter)
            used += 1
            pause = "" if call.pause or len(word) == self.length else " "
            yield [ThinkingDelta(letter + pause, 1)]
            if call.pause:
                break
        ended = len(word) == self.length
        reason = "stop" if ended else "stop_sequence" if call.pause else "length"
        yield [CallEnded(reason, Usage(len(word), 0, used, 0))]


class Right(Verifier):
    """Rates a word by how much of its beginning is right; only the whole one passes."""

    def __init__(self, word: str, *, rates_thoughts: bool) -> None:
        self.word = word
        self.rates_thoughts = rates_thoughts
        self.rated: list[str] = []

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        said = candidate.answer or candidate.thinking.replace(" ", "")
        self.rated.append(said)
        if said == self.word:
            return PASSED
        right = next((n for n, (a, b) in enumerate(zip(said, self.word, strict=False)) if a != b), len(said))
        return Verdict(min(right, len(self.word)) / (len(self.word) + 1), False, "another word")
