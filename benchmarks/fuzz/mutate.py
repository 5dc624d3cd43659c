# pyright: basic
# what any JSON may be has no types
"""A right body made wrong: other types, other sizes, odd texts; and the bytes that it's sent in."""

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple, TypeAlias

JSON: TypeAlias = Any


class Raw(NamedTuple):
    """Text that stands in the JSON as it is."""

    text: str


class Twice(NamedTuple):
    """An object that says one of its names once more."""

    said: dict[str, JSON]
    name: str
    value: JSON


ODD_TEXTS = (
    *("", " ", "\0", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "\u2028", "é", "e\u0301", "ﬀ"),
    *("\U0001f468\u200d\U0001f469", "a" * 300, "a" * 70_000, "\U0010ffff" * 500, "\n" * 999, "../" * 40),
    *("%00", "%s%n", "{}", "${x}", "<script>", "'; --", "null", "NaN", "-1", "1e999", "true", "[" * 500),
    *("</think>", "<|im_end|>", "<think>", "data: [DONE]\n\n", "\r\n\r\n"),
)
ODD: tuple[JSON, ...] = (
    *(None, True, False, 0, 1, -1, 2, 1.5, -0.0, 1e308, 5e-324, 2**31, 2**53 + 1, 2**63, -(2**63) - 1),
    *(2**64, 10**400, Raw("1e999"), Raw("-1e999"), Raw("NaN"), Raw("Infinity"), Raw("-0"), Raw("01")),
    *(Raw("1."), Raw(".5"), Raw("0x7"), Raw("1" * 5000), Raw("0." + "1" * 5000), Raw("1e-999999999")),
    *(Raw("'x'"), Raw("undefined"), Raw("/**/1"), Raw(""), Raw('"\\u12"'), Raw('"\\x41"'), Raw('"\t"')),
    *(Raw('"\\ud800"'), Raw('"\\ud800\\u0041"'), Raw("{a:1}"), Raw("[1,]"), Raw('{"a"}')),
    *(Raw("[" * 2000 + "]" * 2000), Raw('{"a":' * 2000 + "1" + "}" * 2000), Raw("[" * 100_000)),
    *(Raw("[" * 40 + "]" * 40), []),
    {},
    [None],
    [[]],
    {"": None},
    {"type": None},
    {"type": "text"},
    {"text": 1},
    ["x"],
    [{"type": "text", "text": "x"}],
    *ODD_TEXTS,
)
LONG = 300
"""Characters above which nothing is repeated."""


class Slot(NamedTuple):
    """A place of a body: a name of an object, or a number of a list."""

    holder: Any
    at: Any


def slots(value: JSON) -> list[Slot]:
    found: list[Slot] = []
    left = [value]
    for one in left:
        places = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for at in places:
            found.append(Slot(one, at))
            left.append(one[at])
    return found


def _odd(rng: Random, slot: Slot) -> None:
    slot.holder[slot.at] = deepcopy(rng.choice(ODD))


def _gone(_: Random, slot: Slot) -> None:
    del slot.holder[slot.at]


def _nearly(rng: Random, slot: Slot) -> None:
    """Another type that says nearly the same."""
    value = slot.holder[slot.at]
    near: list[JSON] = [[value], {"value": value}, json.dumps(value, default=str)]
    if isinstance(value, bool):
        near += [int(value), str(value)]
    elif isinstance(value, int | float):
        near += [str(value), -value, value + 1, value * 1000]
    elif isinstance(value, str):
        near += [{"text": value}, [*value[:9]], value.upper(), f" {value} ", value + "\0", value[:-1]]
    elif isinstance(value, list):
        near += [value[0] if value else None, {str(at): one for at, one in enumerate(value)}]
    elif isinstance(value, dict):
        near += [list(value.values()), list(value)]
    slot.holder[slot.at] = rng.choice(near)


def _named(rng: Random, slot: Slot) -> None:
    """Under another name, or under one more."""
    if not isinstance(slot.holder, dict):
        slot.holder.append(deepcopy(slot.holder[slot.at]))
        return
    name = slot.at
    at = rng.randrange(len(name) + 1)
    names = [
        name[:at] + name[at + 1 :],
        name[:at] + "x" + name[at:],
        name.upper(),
        f"x_{name}",
        rng.choice(ODD_TEXTS),
    ]
    value = slot.holder[name] if rng.random() < 0.5 else slot.holder.pop(name)
    slot.holder[rng.choice(names)] = value


def _twice(rng: Random, slot: Slot) -> None:
    value = slot.holder[slot.at]
    if isinstance(value, dict) and value:
        name = rng.choice(list(value))
        slot.holder[slot.at] = Twice(value, name, deepcopy(rng.choice(ODD)))


def _many(rng: Random, slot: Slot) -> None:
    value = slot.holder[slot.at]
    if isinstance(value, list) and value and len(json.dumps(value, default=str)) < LONG:
        slot.holder[slot.at] = value * rng.choice((2, 17, 129, 2000))
    elif isinstance(value, str) and len(value) < LONG:
        slot.holder[slot.at] = value * rng.choice((2, LONG))
    else:
        slot.holder[slot.at] = [value] * 3


def _spoiled(rng: Random, slot: Slot) -> None:
    """A text with something odd in it."""
    value = slot.holder[slot.at]
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        slot.holder[slot.at] = value[:at] + rng.choice(ODD_TEXTS) + value[at:]
    else:
        _odd(rng, slot)


def _moved(rng: Random, slot: Slot) -> None:
    """What stands elsewhere in the body."""
    other = rng.choice(slots(slot.holder))
    slot.holder[slot.at] = deepcopy(other.holder[other.at])


_WAYS: tuple[Callable[[Random, Slot], None], ...] = (
    *(_odd, _odd, _odd, _gone, _nearly, _nearly, _named, _twice, _many, _spoiled, _moved),
)


def mutated(rng: Random, body: dict[str, JSON], times: int) -> JSON:
    """`body` itself, changed."""
    for _ in range(times):
        found = slots(body)
        if found:
            rng.choice(_WAYS)(rng, rng.choice(found))
    return body


def written(value: JSON) -> str:
    """As JSON, and what isn't JSON as it was meant."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Twice):
        whole = written(value.said)
        return f"{whole[:-1]},{json.dumps(value.name)}:{written(value.value)}}}"
    if isinstance(value, dict):
        return "{" + ",".join([f"{json.dumps(name)}:{written(one)}" for name, one in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value) if not isinstance(value, int) or isinstance(value, bool) else str(value)


_UTF8 = "utf-8"
_SPOIL: tuple[Callable[[Random, bytes], bytes], ...] = (
    lambda rng, body: body[: rng.randrange(len(body) + 1)],
    lambda rng, body: body + rng.choice((b"x", b"{}", b"\0", b" " * 2000, b"]", b"\xff")),
    lambda rng, body: (
        rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b" \t\r\n", b"x", b"[", b"data: ")) + body
    ),
    lambda rng, body: (
        body[: (at := rng.randrange(len(body) + 1))]
        + rng.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\0", b"\xf5", b'"'))
        + body[at:]
    ),
    lambda rng, body: body.decode(errors="replace").encode(
        rng.choice(("utf-16", "utf-32", "utf-16-be", "utf-7"))
    ),
    lambda rng, body: body.decode(errors="replace").encode("cp1252", errors="replace"),
    lambda rng, body: rng.choice(
        (b"", b"null", b"[]", b"{}", b'""', b"0", b"true", b"NaN", b"\0" * 100, b"a=b&c=d", b"--x\r\n\r\n")
    ),
    lambda rng, body: body + body,
    lambda rng, body: bytes([one ^ (rng.random() < 0.01) for one in body[:3000]]) + body[3000:],
    lambda rng, body: b'{"messages":[{"role":"user","content":"' + b"x" * 400_000 + b'"}]}',
    lambda rng, body: b"[" * rng.choice((50, 1000, 100_000)),
)


def spoiled(rng: Random, body: bytes) -> bytes:
    return rng.choice(_SPOIL)(rng, body)
