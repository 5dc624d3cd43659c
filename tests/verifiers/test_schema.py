"""JSON by its schema: the feedback names the path; whatever is wrong with a schema is said of the gold."""

from collections.abc import AsyncGenerator

import msgspec
import pytest
import pytest_asyncio

from perpend.errors import BadRequest
from perpend.types import Candidate
from perpend.verifiers import Task
from perpend.verifiers.schema import Schema

GOLD = '{"type": "object", "required": ["a"], "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}'
TREE = """{"$ref": "#/$defs/node", "$defs": {"node": {"anyOf": [{"type": "integer"},
    {"type": "array", "items": {"allOf": [{"$ref": "#/$defs/node"}]}}]}}}"""
DRAFT_4 = """{"$schema": "http://json-schema.org/draft-04/schema#", "id": "http://a.example/b",
    "definitions": {"c": {"id": "d", "type": "integer"}}, "$ref": "d"}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def schema() -> AsyncGenerator[Schema, None]:
    verifier = Schema(workers=1, timeout_s=30)
    yield verifier
    await verifier.aclose()


@pytest.mark.parametrize(
    ("gold", "answer", "said"),
    [
        (GOLD, '{"a": [1]}', ""),
        (GOLD, 'Here:\n```json\n{"a": [1]}\n```', ""),
        (GOLD, '{"a": [1, "x"]}', "$.a[1]: 'x' is not of type 'integer'"),
        (GOLD, "{}", "$: 'a' is a required property"),
        (GOLD, "so be it", "isn't JSON"),
        (GOLD, '{"a": "' + "x" * 100_000 + '"}', "$.a: 'xxx"),
        (TREE, "[" * 90 + "1" + "]" * 90, ""),
        (TREE, "[" * 90 + "true" + "]" * 90, "$: [[["),
        (TREE, "[" * 900 + "1" + "]" * 900, "nested more than"),
        ('{"type": "array"}', "[" * 5000 + "]" * 5000, "nested too deep"),
        ('{"type": "array"}', "[" * 500 + "]" * 500, ""),
        ('{"multipleOf": 0.5}', "1" + "0" * 400, "can't be checked"),
        (DRAFT_4, "1", ""),
        ('{"$ref": "http://json-schema.org/draft-07/schema#"}', '{"type": "string"}', ""),
        ('{"$id": "https://a.example/b", "$ref": "#c", "$defs": {"d": {"$anchor": "c"}}}', "1", ""),
        ('{"const": {"$ref": "nowhere"}}', '{"$ref": "nowhere"}', ""),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_schema(schema: Schema, gold: str, answer: str, said: str) -> None:
    verdict = await schema.verify(Task(gold=gold), Candidate(answer=answer))
    assert verdict.passed is not bool(said)
    assert said in verdict.feedback
    assert len(verdict.feedback) < 1000


@pytest.mark.parametrize(
    "gold",
    [
        *("{", "3", '{"type": "nothing"}', '{"$schema": []}', '{"$id": "http://[", "$ref": "a"}'),
        *('{"$ref": "#/definitions/missing"}', '{"properties": {"a": {"$ref": "#/nowhere"}}}'),
        *('{"$ref": "https://a.example/b.json"}', '{"$ref": "#anchor"}', '{"$dynamicRef": "#meta"}'),
        *('{"$ref": "#"}', '{"$ref": "#/a", "a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}'),
        *('{"pattern": "("}', '{"patternProperties": {"(": {}}}', '{"pattern": "a{99999999999}"}'),
        *('{"items": {"$ref": "#/a"}, "a": {"pattern": "("}}', '{"not":' * 3000 + "{}" + "}" * 3000),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_schema_that_is_none(schema: Schema, gold: str) -> None:
    with pytest.raises(BadRequest, match="JSON schema") as told:
        await schema.verify(Task(gold=gold), Candidate(answer='["a"]'))
    assert told.value.field == "verifier.gold"


@pytest.mark.asyncio(loop_scope="module")
async def test_references_to_one_schema_cost_no_more_than_one() -> None:
    names = ", ".join(f'"k{number}": {{"$ref": "#"}}' for number in range(100))
    kinds = ", ".join(f'"d{number}": {{"minLength": 1, "maxLength": 9}}' for number in range(300))
    verifier = Schema(workers=1, timeout_s=3)
    try:
        await verifier.check(Task(gold=f'{{"properties": {{{names}}}, "$defs": {{{kinds}}}}}'))
    finally:
        await verifier.aclose()


async def test_a_schema_that_grows_without_bound_ends() -> None:
    parts = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
    gold = msgspec.json.encode({"$ref": "#/$defs/a0", "$defs": {**parts, "a40": True}}).decode()
    verifier = Schema(workers=1, timeout_s=1)
    verdict = await verifier.verify(Task(gold=gold), Candidate(answer="1"))
    assert (verdict.passed, "too long" in verdict.feedback) == (False, True)
    await verifier.aclose()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_json_is_the_same_answer(schema: Schema) -> None:
    assert await schema.same('{"a": 1, "b": 2}', '{"b":2,"a":1}')
    assert not await schema.same('{"a": 1}', '{"a": 2}')
    assert not await schema.same("[" * 5000 + "]" * 5000, "[]")
