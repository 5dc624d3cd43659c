"""The vocabulary: every text comes back whole, and the words of the tasks are single tokens."""

from hypothesis import given
from hypothesis import strategies as st

from perpend.data.tasks import fresh, kinds
from perpend.training.tokenizer import (
    END,
    SIZE,
    THINK_END,
    WORDS,
    decode,
    encode,
    prompt_of,
    read_reply,
    reply_of,
    vocabulary,
)


def test_every_token_is_itself() -> None:
    assert len(vocabulary()) == len(set(vocabulary())) == SIZE
    for word in WORDS:
        assert len(encode(word)) == 1


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    assert decode(encode(text)) == text


@given(st.lists(st.sampled_from([*WORDS, "7", " ", "x"])))
def test_words_come_back_however_they_touch(words: list[str]) -> None:
    assert decode(encode("".join(words))) == "".join(words)


def test_problems_are_short() -> None:
    for name in kinds.names():
        for problem in fresh(1, name, 50):
            assert len(prompt_of(problem.text)) < 80


def test_a_reply_is_read_as_it_was_written() -> None:
    reply = reply_of("7+5=2", "2")
    assert reply[-1] == END
    assert reply.count(THINK_END) == 1
    assert read_reply(reply) == ("7+5=2", "2")
    assert read_reply(reply_of("", "2")) == ("", "2")
    assert read_reply(encode("7+5=2\n2*3")) == ("7+5=2\n2*3", "")
