"""28 models' recorded answers to MMLU-Pro, asked through the real spine: a backend for each model."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
from spine import Spine, request
from stub_backend import StubBackend

from perpend.backends.contract import Call, CallEvent
from perpend.types import Answer, AnswerDelta, CallEnded, Message, StrategySpec, Usage

STRONG = "gemini-1.5-pro-002"
"""The best of them alone."""
CHEAP = ("gemini-1.5-flash-002", "Meta-Llama-3_1-70B-Instruct")
"""The next best two."""


class Row(msgspec.Struct, frozen=True):
    id: str
    answer: str
    preds: str
    """A letter of each model; another sign where it gave none."""


class RecordedModel(StubBackend):
    """Says what one model said to the question whose id it's asked."""

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        letter = self._answers[call.messages[-1].text]
        said: list[CallEvent] = [AnswerDelta(letter, 1)] if letter.isalpha() else []
        yield [*said, CallEnded("stop", Usage(1, 0, 0, 1))]


def read(folder: Path) -> tuple[list[str], list[Row]]:
    """The models' names, and a row for each question."""
    names = msgspec.json.decode((folder / "mmlu_pro_models.json").read_bytes(), type=list[str])
    lines = (folder / "mmlu_pro_model_preds.jsonl").read_bytes().splitlines()
    return names, [msgspec.json.decode(line, type=Row) for line in lines]


def recorded(names: list[str], rows: list[Row]) -> Spine:
    """All the models, by their names."""
    models = {
        name: RecordedModel({row.id: row.preds[place] for row in rows}) for place, name in enumerate(names)
    }
    return Spine(models[STRONG], others=models)


async def asked(spine: Spine, row: Row, options: dict[str, Any]) -> Answer:
    spec = StrategySpec("cascade", options)
    return await spine.ask(request(effort="none", messages=(Message("user", row.id),), strategy=spec))
