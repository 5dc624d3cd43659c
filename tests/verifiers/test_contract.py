"""What holds for every registered verifier."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from fake_server import serving
from msgspec import Struct
from scripted_model import ScriptedModel

from perpend.config import Config
from perpend.errors import BadRequest
from perpend.runtime import Runtime
from perpend.transport.client import HTTPClient
from perpend.types import Candidate
from perpend.verifiers import Task, Verifier, verifiers
from perpend.verifiers.endpoint import Endpoint

HOSTILE = ("", "8, I say", "\ud800", "x" * 100_000)


class Case(Struct):
    """Of a verifier: what is right, and what isn't. By default it's given 7 as gold, and hostile answers."""

    gold: str = "7"
    right: str = "7"
    wrong: tuple[str, ...] = HOSTILE
    graded: bool = False
    """Whether its wrong answers may have a part of the score."""


CASES = {
    "countdown": Case('{"numbers": [3, 4], "target": 7}', "4 + 3"),
    "reasoning_gym": Case(
        '{"task": "caesar_cipher", "seed": 1, "index": 0}', "THOSE FROM MARS OF ANY INDEED"
    ),
    "code": Case("assert f() == 7", "def f(): return 7"),
    "choice": Case("B", "B"),
    "regex": Case("B+", "BB"),
    "schema": Case('{"type": "number"}', "3"),
    "numbers": Case(right="3 + 4 = 7", wrong=("3 + 4 = 8", "17 * 23 = 381"), graded=True),
}


def scripted() -> ScriptedModel:
    """Finds an answer right where it's 7."""

    def says(prompt: str) -> str:
        shown = prompt.partition("<right-answer")[0] + prompt.partition("</right-answer")[2]
        if "A or B" in prompt:
            return "A" if ">\n7\n</answer-A" in shown else "B"
        right = ">\n7\n</" in shown
        if "from 1" in prompt:
            return "5" if right else "1"
        return "Yes" if right else "No"

    return ScriptedModel(says)


async def passes_seven(request: web.Request) -> web.Response:
    body: dict[str, Any] = await request.json()
    return web.json_response({"passed": body["answer"] == "7"})


@pytest.fixture
async def server() -> AsyncGenerator[str, None]:
    app = web.Application()
    app.router.add_post("/", passes_seven)
    async with serving(app) as url:
        yield f"{url}/"


@pytest.fixture
async def verifier(name: str, server: str) -> AsyncGenerator[Verifier, None]:
    """With defaults alone; the one behind HTTP has an address that it needs."""
    if name == "reasoning_gym":
        pytest.importorskip("reasoning_gym", reason="the extra `evals` isn't installed")
    http = HTTPClient()
    made = Endpoint(http, url=server) if name == "http" else verifiers.get(name)()
    yield made
    await made.aclose()
    await http.aclose()


@pytest.mark.parametrize("name", verifiers.names())
class TestVerifier:
    async def test_verdicts(self, name: str, verifier: Verifier) -> None:
        case = CASES.get(name, Case())
        task = Task(question="What is 3 + 4?", gold=case.gold, model=scripted())
        right = await verifier.verify(task, Candidate(answer=case.right))
        assert (right.passed, right.score, right.feedback) == (True, 1.0, "")
        for wrong in case.wrong:
            verdict = await verifier.verify(task, Candidate(answer=wrong))
            assert not verdict.passed
            assert verdict.score < 1 if case.graded else verdict.score == 0
            assert verdict.feedback
            assert task.required_gold not in verdict.feedback.split(), (
                "what goes back to the model tells no gold"
            )
        for _ in range(2):  # whoever made it closes it, and whoever was lent it may
            await verifier.aclose()

    async def test_votes(self, name: str, verifier: Verifier) -> None:
        assert await verifier.same("8", "8")
        assert not await verifier.same("8", "B")
        whole = type(verifier).same is not Verifier.same  # these have an equality of their own
        assert whole or await verifier.same("3 + 5 is 8", r"So it's \boxed{8}.")

    async def test_of_two_the_right_one_is_better(self, name: str, verifier: Verifier) -> None:
        case = CASES.get(name, Case())
        task = Task(question="What is 3 + 4?", gold=case.gold, model=scripted())
        right, wrong = Candidate(answer=case.right), Candidate(answer=case.wrong[1])
        ahead = await verifier.compare(task, right, wrong)
        assert ahead > 0.5
        assert await verifier.compare(task, wrong, right) == pytest.approx(1 - ahead)

    async def test_what_it_needs_and_lacks_is_named(self, name: str, verifier: Verifier) -> None:
        needed = "right answer" if verifier.needs_gold else "model to ask"
        if verifier.needs_gold or verifier.needs_model:
            with pytest.raises(BadRequest, match=needed):
                await verifier.verify(Task(), Candidate(answer="7"))
        else:
            await verifier.verify(Task(), Candidate(answer="7"))


@pytest.fixture
async def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Runtime, None]:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    async with await Runtime.open(Config()) as opened:
        await opened.prepare("tiny")
        yield opened


async def test_a_real_model_is_asked_by_those_that_need_one(runtime: Runtime) -> None:
    """The tiny reasoner is no judge: what counts is that verdicts come, and that they're paid for."""
    asking = [name for name in verifiers.names() if getattr(verifiers.get(name), "needs_model", False)]
    assert asking == ["judge", "process_reward", "self_score"]
    for name in asking:
        verifier = verifiers.get(name)()
        async with runtime.asking("tiny", "test") as model:
            task = Task(question="What is 3 + 4?", model=model)
            verdict = await verifier.verify(task, Candidate(thinking="3 + 4 is 7.\n\nSo it's 7.", answer="7"))
            assert 0 <= verdict.score <= 1
            assert verdict.passed or verdict.feedback
            assert model.outcome.scope.usage.input > 0
