"""Packaged models make embeddings in a process of their own, and what is wrong with one is told."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from packaged_embedder import write

from perpend.engine.embedder import PackagedModel
from perpend.engine.embedders import Embedders, packaged
from perpend.errors import BadRequest, EngineError
from perpend.types import EmbeddingRequest

MINILM = packaged()["all-minilm-l6-v2"]
TEXTS = ["A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."]
Package = Callable[..., PackagedModel]


def asked(*texts: str, dimensions: int | None = None) -> EmbeddingRequest:
    return EmbeddingRequest(model="m", input=list(texts), dimensions=dimensions)


@pytest.fixture
async def embedders() -> AsyncGenerator[Embedders, None]:
    made = Embedders()
    yield made
    await made.aclose()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Makes one; see `packaged_embedder`."""
    return partial(write, tmp_path, monkeypatch)


async def test_texts_in_batches_keep_their_order_and_are_counted(
    embedders: Embedders, package: Package
) -> None:
    texts = [*("a" * size for size in range(1, 70)), "one two three four"]
    made = await embedders.embed(package(), asked(*texts, dimensions=2))
    assert [vector[0] for vector in made.vectors] == [float(len(text)) for text in texts]
    assert (made.usage.input, made.truncated, made.model_version) == (69 + 3, (69,), "m")


async def test_half_of_a_surrogate_pair_is_read_as_a_question_mark(
    embedders: Embedders, package: Package
) -> None:
    assert len((await embedders.embed(package(), asked("\ud800"))).vectors) == 1


async def test_the_real_one_knows_what_is_alike(embedders: Embedders) -> None:
    pytest.importorskip(MINILM.package, reason="the extra `embeddings` isn't installed")
    made = await embedders.embed(MINILM, asked(*TEXTS, "This is an example sentence", "word " * 300))
    food, bread, girl, example, _ = made.vectors
    assert {len(vector) for vector in made.vectors} == {MINILM.dimensions}
    assert cosine(food, bread) == pytest.approx(0.755, abs=0.005)  # as its makers' documentation has it
    assert abs(cosine(food, girl)) < 0.2
    assert example[:4] == pytest.approx([0.0677, 0.0635, 0.0487, 0.0793], abs=0.0005)
    assert cosine(example, example) == pytest.approx(1, abs=1e-5)
    assert made.truncated == (4,)
    assert made.usage.input == 8 + 11 + 9 + 7 + 256
    alone = await embedders.embed(MINILM, asked(TEXTS[0]))
    assert alone.vectors[0] == pytest.approx(food, abs=1e-5)


def cosine(one: list[float], other: list[float]) -> float:
    """Of vectors whose length is 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"input": ["a", ""]}, "input[1]"),
    ({"input": [1, 2]}, "input"),
    ({"input": [[1, 2]]}, "input"),
    ({"input": "a", "dimensions": 1}, "dimensions"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG)
async def test_what_it_cant_embed_is_refused(
    fields: dict[str, Any], field: str, embedders: Embedders, package: Package
) -> None:
    with pytest.raises(BadRequest) as refused:
        await embedders.embed(package(), EmbeddingRequest(model="m", **fields))
    assert refused.value.field == field
    assert refused.value.hint


async def test_without_the_package_it_says_which_extra_is_missing(embedders: Embedders) -> None:
    missing = PackagedModel(name="m", package="not_there", weights="", sha256="", dimensions=2)
    with pytest.raises(BadRequest, match="isn't installed") as refused:
        await embedders.embed(missing, asked("a"))
    assert "perpend[embeddings]" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"code": "import no_torch_here"}, "no_torch_here"),
        ({"sha256": "0" * 64}, "aren't those of m"),
        ({"code": "import os; os._exit(1)"}, "it died"),
    ],
)
async def test_a_package_that_cant_be_loaded_is_told(
    fault: dict[str, str], said: str, embedders: Embedders, package: Package
) -> None:
    with pytest.raises(EngineError, match=said) as failed:
        await embedders.embed(package(**fault), asked("a"))
    assert failed.value.hint


@pytest.mark.parametrize("fault", ["die", "raise"])
async def test_after_a_failure_the_next_request_works(
    fault: str, embedders: Embedders, package: Package
) -> None:
    model = package()
    with pytest.raises(EngineError, match="made no embeddings"):
        await embedders.embed(model, asked(fault))
    assert (await embedders.embed(model, asked("abc"))).vectors == ([3.0, 0.5],)


async def test_one_that_hangs_is_given_up(package: Package) -> None:
    embedders = Embedders(timeout_s=2)
    with pytest.raises(EngineError, match=r"2 s weren't enough"):
        await embedders.embed(package(), asked("hang"))
    await embedders.aclose()


async def test_a_client_that_goes_away_leaves_the_next_ones_answer_right(
    embedders: Embedders, package: Package
) -> None:
    model = package()
    await embedders.embed(model, asked("a"))
    gone = asyncio.create_task(embedders.embed(model, asked("slow")))
    await asyncio.sleep(0.05)
    gone.cancel()
    assert (await embedders.embed(model, asked("abc"))).vectors == ([3.0, 0.5],)
