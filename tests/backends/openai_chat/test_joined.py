"""Events that came together are fewer, and say the same."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from perpend.backends.openai_chat.events import UpstreamChunk, joined

texts = st.text(alphabet=st.sampled_from(list("ab \n")), max_size=3)
deltas = st.dictionaries(st.sampled_from(["content", "reasoning_content", "refusal"]), texts, max_size=2)
ends = st.sampled_from([None, "stop"])


def chunk(delta: dict[str, str], end: str | None) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": end}]}


def chunks(*said: dict[str, Any]) -> list[UpstreamChunk]:
    return msgspec.convert([*said], list[UpstreamChunk])


def says(field: str, text: str) -> dict[str, Any]:
    return chunk({field: text}, None)


def told(of: list[UpstreamChunk]) -> list[tuple[str, str]]:
    """All texts in their order, those of one field in a row joined."""
    found: list[tuple[str, str]] = []
    for event in of:
        delta = (event.choices or [])[0].delta
        for field in ("reasoning_content", "content", "refusal"):
            text = getattr(delta, field)
            if text and found and found[-1][0] == field:
                found[-1] = (field, found[-1][1] + text)
            elif text:
                found.append((field, text))
    return found


@given(st.lists(st.builds(chunk, deltas, ends)))
def test_nothing_that_was_said_is_lost(said: list[dict[str, Any]]) -> None:
    assert told(joined(chunks(*said))) == told(chunks(*said))


def test_texts_of_one_kind_are_one_event() -> None:
    thought = [says("reasoning_content", text) for text in ("so", " it", " is")]
    answer = [says("content", text) for text in ("4", "2", "\n")]
    assert told(joined(chunks(*thought, *answer))) == [("reasoning_content", "so it is"), ("content", "42\n")]
    assert len(joined(chunks(*thought, *answer))) == 2


def test_white_space_before_an_answer_stays_apart() -> None:
    assert len(joined(chunks(says("content", "\n"), says("content", "42")))) == 2


def test_what_says_anything_else_stays_apart() -> None:
    assert len(joined(chunks(says("content", "42"), chunk({"content": "!"}, "stop")))) == 2
