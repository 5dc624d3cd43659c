"""Verifiers through the gateway: what a client's gold does stays with its own request."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from wire_server import Server, chat_bodies, fronted

from perpend.config.schema import ModelConfig, ProviderConfig

FIELD = Path(__file__).parents[1] / "fixtures" / "field"
EXPLODES = FIELD / "01-regex-freezes-gateway"
HERE = ProviderConfig(like="vllm"), ModelConfig(name="qwen")
LONG = "a" * 32 + "b"


def asking(verifier: dict[str, Any], **more: Any) -> dict[str, Any]:
    strategy = {"name": "best_of_n", "n": 1}
    return {
        "messages": [{"role": "user", "content": "hi"}],
        "verifier": verifier,
        "strategy": strategy,
        **more,
    }


@pytest.mark.parametrize(
    "body",
    [
        {**msgspec.json.decode((EXPLODES / "request.json").read_bytes()), "model": "m"},
        asking({"name": "regex", "gold": "(a+)+c"}, deadline_ms=1000),
        asking({"name": "schema", "gold": '{"pattern": "^(a+)+c$"}'}, deadline_ms=1000),
        asking({"name": "schema", "gold": '{"patternProperties": {"^(a|a)+$": {}}}'}, deadline_ms=1000),
    ],
)
async def test_others_are_answered_while_a_pattern_explodes(body: dict[str, Any], tmp_path: Path) -> None:
    said = f'{{"{LONG}": 1}}' if "patternProperties" in str(body) else LONG
    said = f'"{said}"' if '"pattern"' in str(body) else said
    async with fronted(Server(chat_bodies(said)), *HERE, tmp_path) as front:
        asked = asyncio.ensure_future(front.post(body))
        healthy = 0
        while not asked.done():
            assert (await front.get("/healthz")).status == 200
            healthy += 1
        reply = asked.result()
    assert healthy > 20
    assert reply.status == 200, reply.body
    assert reply.json["choices"][0]["message"]["content"] == said


@pytest.mark.parametrize(
    ("kind", "gold"),
    [
        *(
            ("schema", gold)
            for gold in ('{"$ref": "#/a"}', '{"$ref": "#"}', '{"$ref": "https://a.example/b"}')
        ),
        ("regex", "("),
        ("choice", "none of them"),
        ("countdown", "{}"),
    ],
)
async def test_a_gold_that_is_none_is_a_400(kind: str, gold: str, tmp_path: Path) -> None:
    async with fronted(Server(chat_bodies("1")), *HERE, tmp_path) as front:
        reply = await front.post(asking({"name": kind, "gold": gold}))
    assert (reply.status, reply.error["param"]) == (400, "verifier.gold")


async def test_an_answer_that_is_nested_deep_has_not_passed(tmp_path: Path) -> None:
    async with fronted(Server(chat_bodies("[" * 5000 + "]" * 5000)), *HERE, tmp_path) as front:
        reply = await front.post(asking({"name": "schema", "gold": '{"type": "array"}'}))
    assert reply.status == 200
    assert reply.json["perpend"]["candidates"][0]["score"] == 0
