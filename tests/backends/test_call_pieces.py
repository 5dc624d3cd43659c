"""Tool calls are put together whatever their pieces leave out, change, or say again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from perpend.backends.call_pieces import CallPieces, arguments_text

Said = tuple[int | None, str, str, str]
"""Index, id, name, arguments."""
OSLO, ROME = '{"city": "Oslo"}', '{"city": "Rome"}'


def calls(*pieces: Said) -> list[tuple[str, str, str]]:
    """Their ids, names and arguments."""
    whole = CallPieces()
    told = [delta for piece in pieces for delta in whole.add(*piece)]
    found: dict[int, list[str]] = {}
    for delta in [*told, *whole.rest(ended=True)]:
        call = found.setdefault(delta.index, ["", "", ""])
        for at, text in enumerate((delta.id, delta.name, delta.arguments)):
            call[at] += text
    assert [*found] == [*range(len(found))]
    return [(one[0], one[1], one[2]) for one in found.values()]


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, "a", "f", ""), (0, "b", "", '{"city":'), (0, "c", "", ' "Oslo"}')],
        [(None, "a", "f", ""), (None, "b", "", '{"city":'), (None, "c", "", ' "Oslo"}')],
        [(0, "a", "f", ""), (0, "b", "f", '{"city":'), (0, "c", "f", ' "Oslo"}')],
        [(0, "a", "", ""), (0, "", "f", ""), (0, "", "", OSLO)],
        [(0, "a", "", OSLO[:5]), (0, "a", "", OSLO[5:]), (0, "a", "f", "")],
        [(None, "a", "", ""), (None, "a", "f", OSLO)],
        [(None, "a", "", ""), (None, "", "f", OSLO)],
        [(0, "a", "f", OSLO[:5]), (1, "a", "", OSLO[5:])],
        [(0, "a", "f", OSLO[:5]), (1, "", "", OSLO[5:])],
        [(0, "a", "f", ""), (0, "a", "f", OSLO), (0, "a", "f", "")],
        [(0, "a", "f", OSLO), (0, "a", "f", OSLO)],
        [(0, "a", "f", OSLO), (0, "", "", OSLO[:5]), (0, "", "", OSLO[5:])],
        [(0, "a", "f", "{}"), (0, "", "", OSLO[:5]), (0, "", "", OSLO[5:])],
        [(0, "a", "f", ""), (0, "a", "f", "{}"), (0, "a", "f", OSLO)],
        [(0, "a", "f", OSLO[:5]), (0, "", "", OSLO[5:]), (0, "", "", OSLO)],
        [(0, "a", "f", OSLO), (0, "a", "f", "{}")],
        [(0, "a", "f", OSLO[:1]), (0, "a", "f", OSLO[:7]), (0, "a", "f", OSLO[:7]), (0, "a", "f", OSLO)],
        [(None, "a", "f", ""), (None, "", "", OSLO[:3]), (None, "", "", OSLO[:9]), (None, "", "", OSLO)],
    ],
)
def test_one_call_stays_one(pieces: list[Said]) -> None:
    assert calls(*pieces) == [("a", "f", OSLO)]


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, "a", "f", OSLO), (0, "b", "f", ROME)],
        [(0, "a", "f", OSLO), (0, "b", "f", ""), (0, "b", "", ROME)],
        [(None, "a", "f", OSLO), (None, "b", "f", ROME)],
        [(None, "a", "f", ""), (None, "b", "f", ""), (None, "a", "", OSLO), (None, "b", "", ROME)],
        [(0, "a", "f", ""), (1, "b", "f", ""), (1, "", "", ROME), (0, "", "", OSLO)],
        [(0, "a", "f", ""), (1, "b", "", ""), (0, "x", "", OSLO), (1, "y", "f", ROME)],
        [(0, "a", "", OSLO[:4]), (1, "b", "", ROME[:4]), (1, "", "f", ROME[4:]), (0, "", "f", OSLO[4:])],
    ],
)
def test_two_calls_stay_two(pieces: list[Said]) -> None:
    assert calls(*pieces) == [("a", "f", OSLO), ("b", "f", ROME)]


def test_calls_without_ids_are_told_apart_by_their_arguments() -> None:
    found = calls((None, "", "f", OSLO), (None, "", "f", ROME), (None, "", "g", "{}"))
    assert [call[1:] for call in found] == [("f", OSLO), ("f", ROME), ("g", "{}")]
    assert len({call[0] for call in found}) == 3


@pytest.mark.parametrize("index", [None, 0])
def test_calls_without_ids_whose_arguments_come_later_are_told_apart_by_their_names(
    index: int | None,
) -> None:
    for name in ("f", "g"):
        found = calls(
            (index, "", "f", ""), (index, "", "", OSLO), (index, "", name, ""), (index, "", "", ROME)
        )
        assert [call[1:] for call in found] == [("f", OSLO), (name, ROME)]


def test_an_object_within_one_of_its_kind_is_no_repetition() -> None:
    nested = '{"n": {"n": 1}}'
    for at in range(len(nested)):
        for to in range(at, len(nested)):
            pieces = [(0, "a", "f", nested[:at]), (0, "", "", nested[at:to]), (0, "", "", nested[to:])]
            assert calls(*pieces) == [("a", "f", nested)]


def test_a_call_without_arguments_has_none() -> None:
    for none in ("", "{}"):
        assert calls((0, "a", "f", none), (1, "b", "f", none)) == [("a", "f", "{}"), ("b", "f", "{}")]
    assert [call[1:] for call in calls((0, "a", "f", "{}"), (0, "b", "f", "{}"))] == [("f", "{}")] * 2


def test_calls_come_one_after_the_other_though_their_pieces_alternate() -> None:
    whole = CallPieces()
    pieces = [(0, "a", "f", OSLO[:4]), (1, "b", "f", ROME[:4]), (1, "", "", ROME[4:]), (0, "", "", OSLO[4:])]
    told = [delta for piece in pieces for delta in whole.add(*piece)]
    assert [delta.index for delta in told] == [0, 0, 1]
    assert whole.rest(ended=True) == []


def test_what_is_cut_is_not_made_whole() -> None:
    whole = CallPieces()
    told = [*whole.add(0, "a", "f", "{}"), *whole.add(1, "b", "g", ROME[:4]), *whole.rest(ended=False)]
    assert [(delta.name, delta.arguments) for delta in told] == [("f", ""), ("g", ROME[:4])]


def test_a_call_that_is_never_named_is_told_with_its_arguments() -> None:
    assert calls((0, "a", "", OSLO)) == [("a", "", OSLO)]
    assert calls((0, "a", "", "")) == []


@given(st.data())
def test_whatever_its_pieces_a_call_is_the_same(data: st.DataObject) -> None:
    """Its name comes with any of them or all; each has an id, its own or the first one's, or none."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(OSLO)))))
    texts = [OSLO[a:b] for a, b in zip([0, *cuts], [*cuts, len(OSLO)], strict=True)]
    named = data.draw(st.sets(st.integers(0, len(texts) - 1), min_size=1))
    index = data.draw(st.sampled_from([None, 0, 3]))
    pieces: list[Any] = []
    for at, text in enumerate(texts):
        ids = ["call_1"] if at == 0 else ["call_1", "", *([f"call_{at}x"] if at not in named else [])]
        name = "f" if at in named else ""
        over = "".join(texts[:at]) == OSLO
        pieces.append((index, data.draw(st.sampled_from(ids)), "" if over else name, text))
    if any(piece[2] for piece in pieces):
        assert calls(*pieces) == [("call_1", "f", OSLO)]


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        (b"", ""),
        (b"null", ""),
        (b"{}", ""),
        (b'""', ""),
        (b'"{}"', ""),
        (b'{"a": 1.0}', '{"a": 1.0}'),
        (rb'"{\"a\": 1.0}"', '{"a": 1.0}'),
    ],
)
def test_arguments_are_an_object_or_its_text(given_: bytes, text: str) -> None:
    assert arguments_text(Raw(given_)) == text
