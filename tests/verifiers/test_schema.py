"""JSON by its schema: the feedback names the path."""

import pytest

from perpend.errors import BadRequest
from perpend.types import Candidate
from perpend.verifiers import Task
from perpend.verifiers.schema import Schema

GOLD = '{"type": "object", "required": ["a"], "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}'


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"a": [1]}', ""),
        ('Here:\n```json\n{"a": [1]}\n```', ""),
        ('{"a": [1, "x"]}', "$.a[1]: 'x' is not of type 'integer'"),
        ("{}", "$: 'a' is a required property"),
        ("so be it", "isn't JSON"),
    ],
)
async def test_schema(answer: str, said: str) -> None:
    verdict = await Schema().verify(Task(gold=GOLD), Candidate(answer=answer))
    assert verdict.passed is not bool(said)
    assert said in verdict.feedback


@pytest.mark.parametrize("gold", ["{", "3", '{"type": "nothing"}'])
async def test_a_schema_that_is_none(gold: str) -> None:
    with pytest.raises(BadRequest, match="JSON schema"):
        await Schema().verify(Task(gold=gold), Candidate(answer="{}"))


async def test_the_same_json_is_the_same_answer() -> None:
    assert await Schema().same('{"a": 1, "b": 2}', '{"b":2,"a":1}')
    assert not await Schema().same('{"a": 1}', '{"a": 2}')
