"""A field of a near type is read, one of another is left out, and what isn't JSON stays an error."""

from typing import Any

import pytest
from msgspec import Raw, Struct

from perpend.backends.lenient import Lenient, type_of


class Part(Struct):
    text: str = ""
    number: int = 0


class Thing(Struct):
    name: str | None = None
    number: int | None = None
    share: float = 0.0
    yes: bool = False
    part: Part | None = None
    parts: list[Part] | None = None
    content: str | list[Part] | None = None
    raw: Raw = Raw()
    after: str = ""


class Needed(Struct):
    number: int


THING = Lenient(Thing)


@pytest.mark.parametrize(
    ("field", "given", "read"),
    [
        ("name", "5", "5"),
        ("name", "[]", ""),
        ("name", '["a", {"text": "b"}, null, {"type": "summary_text", "text": "c"}]', "abc"),
        ("name", '{"type": "text", "text": "a"}', "a"),
        ("name", '[{"type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}]}]', "ab"),
        ("name", '{"other": 1}', None),
        ("name", "true", None),
        ("number", '"3"', 3),
        ("number", "3.0", 3),
        ("number", '"3.0"', 3),
        ("number", "true", None),
        ("number", '"many"', None),
        ("number", '"1e999"', None),
        ("number", "{}", None),
        ("share", '"0.5"', 0.5),
        ("share", "null", 0.0),
        ("yes", '"True"', True),
        ("yes", "1", True),
        ("yes", "0", False),
        ("yes", "null", False),
        ("yes", '"perhaps"', False),
        ("part", '"a"', Part("a")),
        ("part", "[]", None),
        ("part", '{"text": null, "number": "2"}', Part("", 2)),
        ("parts", '{"text": "a"}', [Part("a")]),
        ("parts", '"a"', [Part("a")]),
        ("parts", '["a", 7, null, {"number": 1.0}]', [Part("a"), Part("", 1)]),
        ("content", "7", "7"),
        ("content", '{"text": "a"}', [Part("a")]),
        ("content", '[{"text": "a", "number": "1"}]', [Part("a", 1)]),
    ],
)
def test_near_types(field: str, given: str, read: Any) -> None:
    thing = THING.decode(b'{"%b": %b, "raw": {"a": 1.0}, "after": "so"}' % (field.encode(), given.encode()))
    assert getattr(thing, field) == read
    assert (bytes(thing.raw), thing.after) == (b'{"a": 1.0}', "so")


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"a"', b"7", b'{"number": "a', b'{"name": 7, "after"', b"<html>"]
)
def test_what_is_no_object_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expected|truncated"):
        THING.decode(body)


def test_a_field_that_is_needed_is_needed() -> None:
    assert Lenient(Needed).decode(b'{"number": "7"}').number == 7
    for body in (b"{}", b'{"number": null}'):
        with pytest.raises(ValueError, match=r"number|int"):
            Lenient(Needed).decode(body)


class Typed(Struct):
    type: str = ""
    text: str = ""
    parts: list[Part] | None = None
    raw: Raw = Raw()


SIGNS = {"list": ("parts",), "words": ("text", "raw")}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"type": "new", "text": "a"}', "new"),
        ('{"type": ["words"], "parts": []}', "words"),
        ('{"type": null, "text": "a"}', "words"),
        ('{"type": 7, "text": "", "raw": {}}', "words"),
        ('{"parts": [], "text": "a"}', "list"),
        ('{"type": "", "text": "", "parts": null, "raw": null}', ""),
        ("{}", ""),
    ],
)
def test_what_has_no_type_is_told_by_what_it_has(said: str, told: str) -> None:
    assert type_of(Lenient(Typed).decode(said.encode()), SIGNS) == told
