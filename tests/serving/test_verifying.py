"""Verifiers through the gateway: what a client's gold does stays with its own request."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from wire_server import Server, chat_bodies, fronted

from perpend.config.schema import ModelConfig, ProviderConfig
from perpend.verifiers.math import Math

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
        *(
            ("schema", gold)
            for gold in (
                *('{"$ref": "#/foo", "foo": {"$ref": "#/b"}}', '{"$ref": "#/foo", "foo": {"pattern": "("}}'),
                *('{"anyOf": [{"type": "string"}, {"$ref": "#"}]}', '{"$ref": "#/enum/0", "enum": [3]}'),
                '{"properties": {"a": {"allOf": [{"$ref": "#/properties/a"}]}}}',
                '{"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"if": {"$ref": "#/$defs/a"}}}}',
                *("[" * 9999, '{"pattern": "("}', '{"type": 3}', "\ufffd", ""),
            )
        ),
        *(("regex", gold) for gold in ("(", "a{2,1}", "(?P<1>a)", "(" * 2000 + ")" * 2000, "\\", "(?<=a*)b")),
        ("choice", "none of them"),
        *(("countdown", gold) for gold in ("{}", "", '{"numbers": [1.5], "target": 7}')),
        *(("literal", gold) for gold in ("nothing of the kind", "(" * 500, "", "f(x)")),
        *(("code", gold) for gold in ("", "assert", "f(1)", '["assert"]', '[{"stdin": 1}]')),
    ],
)
async def test_a_gold_that_is_none_is_a_400_before_anybody_is_asked(
    kind: str, gold: str, tmp_path: Path
) -> None:
    server = Server(chat_bodies("1"))
    async with fronted(server, *HERE, tmp_path) as front:
        reply = await front.post(asking({"name": kind, "gold": gold}))
        alone = await front.post({**asking({"name": kind, "gold": gold}), "strategy": "single"})
    for told in (reply, alone):
        assert (told.status, told.error["param"]) == (400, "verifier.gold"), told.body
    assert not server.asked


@pytest.mark.parametrize(
    ("verifier", "status", "param"),
    [
        *(
            ({"name": "http", "url": url}, 400, "verifier.url")
            for url in (
                *(
                    "http://example.com:99999/",
                    f"http://{'a' * 64}.example/",
                    "http://exämple..com/",
                    "http://",
                ),
                *(
                    "http://ｌｏｃａｌｈｏｓｔ/",
                    "http://localhost.localdomain/",
                    "http://2130706433/",
                    "\ufffd",
                ),
                *(
                    "http://[::ffff:127.0.0.1]/",
                    "http://0/",
                    "http://[fe80::1%25lo]/",
                    "http://u@example.com/",
                ),
            )
        ),
        ({"name": "http"}, 400, "verifier.url"),
        ({"name": "http", "url": 7}, 400, "verifier.url"),
        ({"name": "judge", "model": "nobody"}, 404, "model"),
        ({"name": "process_reward", "model": "nobody"}, 404, "model"),
        ({"name": "process_reward", "aggregate": "median"}, 400, "verifier.aggregate"),
    ],
)
async def test_a_verifier_that_cannot_verify_is_refused_before_anybody_is_asked(
    verifier: dict[str, Any], status: int, param: str, tmp_path: Path
) -> None:
    server = Server(chat_bodies("1"))
    inner = {"name": "best_of_n", "n": 1, "of": {"name": "single", "verifier": verifier}}
    asked = asking(verifier)
    async with fronted(server, *HERE, tmp_path) as front:
        for body in (
            asked,
            {**asked, "strategy": "single"},
            {**asking({"name": "numbers"}), "strategy": inner},
        ):
            reply = await front.post(body)
            assert (reply.status, reply.error["param"]) == (status, param), reply.body
    assert not server.asked


async def test_a_package_that_is_missing_here_is_no_fault_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client can do about it is to name another verifier."""
    monkeypatch.setattr(Math, "package", "no_such_package")
    server = Server(chat_bodies("1"))
    async with fronted(server, *HERE, tmp_path) as front:
        reply = await front.post(asking({"name": "math", "gold": "7"}))
    assert (reply.status, reply.error["param"], server.asked) == (400, "verifier", [])


@pytest.mark.parametrize("gold", ['{"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}', "true", "{}"])
async def test_a_schema_whose_references_lead_somewhere_is_one(gold: str, tmp_path: Path) -> None:
    tree = '{"type": ["integer", "object"], "properties": {"next": {"$ref": "#"}}}'
    meta = '{"anyOf": [{"$ref": "https://json-schema.org/draft/2020-12/schema"}, {"type": "integer"}]}'
    async with fronted(Server(chat_bodies("1")), *HERE, tmp_path) as front:
        for each in (gold, tree, meta):
            reply = await front.post(asking({"name": "schema", "gold": each}))
            assert reply.status == 200, reply.body
            assert reply.json["perpend"]["candidates"][0]["score"] == 1


async def test_an_answer_that_is_nested_deep_has_not_passed(tmp_path: Path) -> None:
    async with fronted(Server(chat_bodies("[" * 5000 + "]" * 5000)), *HERE, tmp_path) as front:
        reply = await front.post(asking({"name": "schema", "gold": '{"type": "array"}'}))
    assert reply.status == 200
    assert reply.json["perpend"]["candidates"][0]["score"] == 0
