"""Embeddings are passed on to providers, as OpenAI's own SDK asks for them, or made here, and accounted."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai import AsyncOpenAI
from packaged_embedder import write
from scripted import House, gateway
from wire_server import Server, fronted

from perpend.config.schema import Config, ModelConfig, PriceConfig, ProviderConfig
from perpend.engine.embedder import PackagedModel
from perpend.engine.embedders import packaged
from perpend.runtime import Runtime
from perpend.storage.usage import total, usage

VECTORS = [[0.25, -1.0], [0.5, 2.0]]
SAID = msgspec.json.encode(
    {
        "object": "list",
        "model": "embed-v3",
        "data": [{"index": 1, "embedding": VECTORS[1]}, {"index": 0, "embedding": VECTORS[0]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
)
ONE = msgspec.json.encode({"data": [{"embedding": VECTORS[0]}], "usage": {"prompt_tokens": 7}})
MINILM = "all-minilm-l6-v2"
PRICE = PriceConfig(input=Decimal(2))


def sdk(port: int) -> Any:
    """Not strict: its type of an answer has no base64, which it asks for."""
    return AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="k", max_retries=0)


@pytest.mark.parametrize("encoding", ["float", "base64", None])  # None: the SDK asks for base64, and reads it
async def test_texts_become_vectors_in_their_order(encoding: Any, tmp_path: Path) -> None:
    server = Server([SAID])
    model = ModelConfig(name="embed", price=PRICE)
    async with fronted(server, ProviderConfig(like="openai"), model, tmp_path) as front:
        async with sdk(front.port) as client:
            fields: dict[str, Any] = {} if encoding is None else {"encoding_format": encoding}
            made = await client.embeddings.create(model="m", input=["a", "b"], dimensions=2, **fields)
        house: Any = front.house
        spent = total(usage(house.store))
        counted = (await front.get("/metrics")).body.decode()
    if encoding == "base64":
        assert made.data[0].embedding == "AACAPgAAgL8="
    else:
        assert [one.embedding for one in made.data] == VECTORS
    assert (made.usage.prompt_tokens, made.perpend["cost_usd"]) == (7, 0.000014)
    assert made.perpend["model_version"] == "embed-v3"
    (asked,) = server.asked
    assert (asked.path, asked.body) == (
        "/embeddings",
        {"model": "embed", "input": ["a", "b"], "dimensions": 2},
    )
    assert (spent.requests, spent.input, spent.cost_usd) == (1, 7, Decimal("0.000014"))
    assert 'perpend_tokens_total{kind="input",model="m",strategy="embeddings"} 7.0' in counted


@pytest.mark.parametrize("given", ["a", [1, 2, 3], ["a"], [[1, 2]]])
async def test_a_text_alone_and_numbers_of_tokens(given: Any, tmp_path: Path) -> None:
    server = Server([ONE])
    async with fronted(server, ProviderConfig(like="vllm"), ModelConfig(), tmp_path) as front:
        reply = await front.post({"model": "m", "input": given}, "/v1/embeddings")
    assert [row["embedding"] for row in reply.json["data"]] == VECTORS[:1]
    assert server.asked[0].body == {"model": "m", "input": given}


async def test_ollama_has_them_beside_its_own_wire(tmp_path: Path) -> None:
    server = Server([ONE])
    async with fronted(server, ProviderConfig(like="ollama"), ModelConfig(), tmp_path) as front:
        await front.post({"model": "m", "input": "a"}, "/v1/embeddings")
    assert server.asked[0].path == "/v1/embeddings"


WRONG: list[tuple[str, dict[str, Any], str, int]] = [
    ("vllm", {"input": []}, "input", 400),
    ("vllm", {"input": ""}, "input", 400),
    ("vllm", {"input": [{}]}, "input", 400),
    ("vllm", {"input": ["a"] * 2049}, "input", 400),
    ("vllm", {"input": "a", "dimension": 3}, "dimension", 400),
    ("vllm", {"input": "a", "model": "mm"}, "model", 404),
    ("vllm", {"input": "a", "model": "qwen2.5-coder-0.5b"}, "model", 400),
    ("anthropic", {"input": "a"}, "model", 400),
]


@pytest.mark.parametrize(("like", "fields", "field", "status"), WRONG)
async def test_what_cant_be_is_said(
    like: str, fields: dict[str, Any], field: str, status: int, tmp_path: Path
) -> None:
    server = Server([ONE])
    async with fronted(server, ProviderConfig(like=like), ModelConfig(), tmp_path) as front:
        reply = await front.post({"model": "m", **fields}, "/v1/embeddings")
    assert (reply.status, reply.error["param"]) == (status, field)
    assert reply.error["hint"]
    assert server.asked == []


async def test_too_few_vectors_are_a_failure_of_the_provider(tmp_path: Path) -> None:
    server = Server([ONE])
    async with fronted(server, ProviderConfig(like="vllm"), ModelConfig(), tmp_path) as front:
        reply = await front.post({"model": "m", "input": ["a", "b"]}, "/v1/embeddings")
    assert reply.status == 502


async def test_what_is_passed_over_is_named() -> None:
    async with gateway(House()) as front:
        reply = await front.post({"model": "m", "input": "a", "user": "u", "x_y_z": 1}, "/v1/embeddings")
    assert reply.json["perpend"]["ignored"] == ["x_y_z"]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small model of that name."""
    monkeypatch.setitem(packaged(), MINILM, write(tmp_path, monkeypatch, name=MINILM))


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("name", [MINILM, "text-embedding-3-small"])
@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_a_packaged_model_makes_them_here(name: str, encoding: Any, tmp_path: Path) -> None:
    config = Config(home=tmp_path / "home", aliases={"text-embedding-*": MINILM})
    async with await Runtime.open(config) as runtime:
        house: Any = runtime
        async with gateway(house) as front, sdk(front.port) as client:
            made = await client.embeddings.create(
                model=name, input=["a", "b c d e"], encoding_format=encoding
            )
            listed = [model.id for model in (await client.models.list()).data]
            chat = {"model": name, "messages": [{"role": "user", "content": "hi"}]}
            refused = await front.post(chat, "/v1/chat/completions")
        spent = total(usage(runtime.store))
    said = {"float": [[1.0, 0.5], [7.0, 0.5]], "base64": ["AACAPwAAAD8=", "AADgQAAAAD8="]}
    assert [one.embedding for one in made.data] == said[encoding]
    assert (made.usage.prompt_tokens, made.perpend["truncated"], made.perpend["cost_usd"]) == (4, [1], 0)
    assert (spent.requests, spent.input, spent.cost_usd) == (1, 4, 0)
    assert MINILM in listed
    assert (refused.status, refused.error["param"]) == (400, "model")
    assert "embeddings" in refused.error["message"]


async def test_a_packaged_model_that_isnt_installed_isnt_listed_and_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = PackagedModel(name=MINILM, package="not_there", weights="", sha256="", dimensions=384)
    monkeypatch.setitem(packaged(), MINILM, missing)
    async with await Runtime.open(Config(home=tmp_path)) as runtime:
        house: Any = runtime
        async with gateway(house) as front:
            reply = await front.post({"model": MINILM, "input": "a"}, "/v1/embeddings")
        assert MINILM not in runtime.models.names()
    assert (reply.status, reply.error["param"]) == (400, "model")
    assert "perpend[embeddings]" in reply.error["hint"]
