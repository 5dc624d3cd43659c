"""A solution is cut where it pauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.verifiers.steps import steps


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("First we add.\n\nThen we halve.", ["First we add.", "Then we halve."]),
        ("First we add.\nThen we halve.", ["First we add.", "Then we halve."]),
        ("First we add. Then we halve.", ["First we add.", "Then we halve."]),
        ("We add 1.5 and 2.5.", ["We add 1.5 and 2.5."]),
        (
            "Step 1:\n\nAdd them both.\n\nSo: 4\n\nNow halve the sum.",
            ["Step 1:\nAdd them both.", "So: 4\nNow halve the sum."],
        ),
        ("", []),
    ],
)
def test_where_it_pauses(text: str, parts: list[str]) -> None:
    assert steps(text, 8) == parts


def test_neighbours_are_joined_where_there_are_too_many() -> None:
    text = "\n\n".join(f"This is step {number}." for number in range(10))
    parts = steps(text, 4)
    assert len(parts) == 4
    assert "\n\n".join(parts) == text


@given(st.text(max_size=300), st.integers(1, 6))
def test_nothing_is_lost(text: str, most: int) -> None:
    parts = steps(text, most)
    assert len(parts) <= most
    assert "".join("".join(parts).split()) == "".join(text.split())
