"""Thinking is split from the text that it comes in, whatever the markers and wherever the chunks end."""

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import FOLDER, shared

from perpend.families.family import family_of
from perpend.families.harmony import Piece
from perpend.families.think_tags import (
    MaybeThinkingParser,
    StrippedHarmonyParser,
    ThinkRules,
    think_parser,
    thought_leaked,
)

TAGS = ThinkRules()
INSIDE = ThinkRules(begins="thinking")
KIMI = ThinkRules(ends=("<|tool_calls_section_begin|>",))
WRAPPED = ThinkRules(wraps=(("<answer>", "</answer>"),))
PROSE = ThinkRules(opens=("Here is my thought process:",), closes=("Here is my response:",), prose=True)
HARMONY = ThinkRules(format="harmony")
DIALECTS = (TAGS, INSIDE, KIMI, WRAPPED, PROSE, HARMONY)


def joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one kind as one; two calls of a tool stay two."""
    whole: list[Piece] = []
    for kind, text in pieces:
        if whole and whole[-1][0] == kind != "tool":
            whole[-1] = (kind, whole[-1][1] + text)
        else:
            whole.append((kind, text))
    return whole


def split(rules: ThinkRules, *chunks: str, thinking: bool | None = None) -> list[Piece]:
    parser = think_parser(rules, thinking=thinking)
    return joined([piece for chunk in chunks for piece in parser.feed(chunk)] + parser.close())


def said(rules: ThinkRules, text: str) -> tuple[str, str]:
    pieces = split(rules, text)
    return tuple("".join(t for kind, t in pieces if kind == wanted) for wanted in ("thinking", "answer"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think>\nSum: 391.\n</think>\n\n391.", "Sum: 391.", "391."),
        ("<think>\n\n</think>\n\nans", "", "ans"),
        ("\n<think>a</think>b", "a", "b"),
        ("  an answer", "", "  an answer"),
        ("<think>never closed", "never closed", ""),
        ("<think>cut at </thi", "cut at </thi", ""),
        ("<thinking is fun", "", "<thinking is fun"),
        ("", "", ""),
    ],
)
def test_one_block(text: str, thinking: str, answer: str) -> None:
    assert said(TAGS, text) == (thinking, answer)


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think>a</think>b<think>c</think>d", "ac", "bd"),
        ("<think>a</think>\n<think>b</think>c", "a\n\nb", "c"),
        ("<think>a<think>b</think>c</think>d", "abc", "d"),
        ("<think>\na\n<think>\nb\n</think>\nc\n</think>\nd", "a\n\nb\n\nc", "d"),
    ],
)
def test_blocks_may_be_repeated_or_nested(text: str, thinking: str, answer: str) -> None:
    assert said(TAGS, text) == (thinking, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "Use `<think>x</think>` here.",
        "```xml\n<think>x</think>\n```\nDone.",
        '"<think>x</think>" is a tag.',
        'He wrote "now <think>x</think>" there.',
        "The <think> tag opens, the </think> tag closes.",
        "'<think>' and '</think>'",
        "~~~\n<think>\n~~~\n",
    ],
)
def test_tags_that_an_answer_speaks_of_are_text(answer: str) -> None:
    assert said(TAGS, f"<think>t</think>{answer}") == ("t", answer)
    assert said(TAGS, answer) == ("", answer)


@pytest.mark.parametrize(
    "thought", ['The "</think>" tag.', "They ask about the <think> tag.", "`</think>` ends it"]
)
def test_tags_that_a_thought_speaks_of_dont_end_it(thought: str) -> None:
    assert said(TAGS, f"<think>{thought}</think>yes") == (thought, "yes")


@pytest.mark.parametrize(
    "thought",
    [
        "It stops at the </think> tag, which I name. Done.",
        "It ends with </think>. Then the answer.",
        "It ends with </think>, I think.",
        "The tag (</think>) ends it.",
        "A </think>-tag, and the </think>'s end.",
        "First </think> here, then </think> there. Done.",
        "It stops at the </think> tag.\n\nThat is all.",
    ],
)
def test_a_close_tag_that_a_thought_names_is_a_word_of_its_sentence(thought: str) -> None:
    for rules in (TAGS, INSIDE):
        assert said(rules, f"<think>{thought}</think>\n\nYes.") == (thought, "Yes.")
        assert said(rules, f"<think>{thought}\n</think>\n\nYes. </think> is a tag.") == (
            thought,
            "Yes. </think> is a tag.",
        )


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think> a </think> b", "a", "b"),
        ("<think> a </think> b <think>c</think>d", "ac", "b d"),
        ("<think>a</think>b</think>\nc", "a", "b\nc"),
        ("<think>a</think>b\n</think>\nc", "a", "b\n\nc"),
    ],
)
def test_a_close_tag_that_nothing_follows_ends_the_thought(text: str, thinking: str, answer: str) -> None:
    assert said(TAGS, text) == (thinking, answer)


def test_what_can_only_be_an_answer_is_not_held() -> None:
    parser = think_parser(TAGS)
    assert parser.feed("<think>so </think> Yes") == [("thinking", "so"), ("answer", "Yes")]
    assert parser.feed(" it is") == [("answer", " it is")]


class TestChannelsWithoutTheirMarks:
    @pytest.mark.parametrize("size", [1, 3, 99])
    def test_their_names_run_into_the_text(self, size: int) -> None:
        text = "analysisNeed sum.assistantfinal4"
        parser = StrippedHarmonyParser()
        pieces = [piece for at in range(0, len(text), size) for piece in parser.feed(text[at : at + size])]
        assert joined(pieces + parser.close()) == [("thinking", "Need sum."), ("answer", "4")]

    def test_a_word_that_begins_so_is_a_word(self) -> None:
        assert StrippedHarmonyParser.begins("analysisNeed")
        assert not any(
            map(
                StrippedHarmonyParser.begins,
                ("analysis of it", "analysis: so", "analysis", "analyst", "Analysis"),
            )
        )


class TestATagIsMissing:
    def test_the_open_one_is_in_the_prompt(self) -> None:
        assert said(INSIDE, "x\n</think>\n\ny") == ("x", "y")

    def test_and_comes_all_the_same(self) -> None:
        assert said(INSIDE, "<think>\nx</think>y") == ("x", "y")

    def test_the_close_one_leaves_it_all_thinking(self) -> None:
        assert said(INSIDE, "step only, cut") == ("step only, cut", "")

    def test_thinking_that_was_switched_off_is_none(self) -> None:
        assert split(INSIDE, "just this", thinking=False) == [("answer", "just this")]
        assert split(INSIDE, "</think>\n\njust this", thinking=False) == [("answer", "just this")]

    def test_a_close_tag_that_leaked_alone_on_its_line_is_dropped(self) -> None:
        assert said(TAGS, "so 391.\n</think>\n391") == ("", "so 391.\n\n391")

    def test_whole_texts_that_begin_inside_a_thought_can_be_told(self) -> None:
        assert thought_leaked(TAGS, "so 391.\n</think>\n\n391")
        assert not thought_leaked(TAGS, "<think>so</think>391")
        assert not thought_leaked(TAGS, "391")
        assert not thought_leaked(TAGS, "It ends with `</think>`.")
        assert not thought_leaked(TAGS, "```\n</think>\n```")
        assert not thought_leaked(TAGS, "The tag </think> ends it.")


def test_a_tool_section_ends_a_thought_and_stays() -> None:
    text = "<think>x<|tool_calls_section_begin|>T"
    assert said(KIMI, text) == ("x", "<|tool_calls_section_begin|>T")


def test_what_wraps_the_answer_goes() -> None:
    assert said(WRAPPED, "<think>\nx\n</think>\n<answer>\ny\n</answer>") == ("x", "y\n")
    assert said(WRAPPED, "<think>x</think>y <answer>z</answer>") == ("x", "y <answer>z</answer>")


def test_prose_markers_count_once_and_at_the_beginning() -> None:
    text = "Here is my thought process: x Here is my response: y. Here is my thought process: no."
    assert said(PROSE, text) == ("x", "y. Here is my thought process: no.")
    assert said(PROSE, "Well. Here is my response: y")[0] == ""


class TestHarmony:
    def test_analysis_is_thinking_and_final_the_answer(self) -> None:
        text = "<|channel|>analysis<|message|>2+2.<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>"
        assert said(HARMONY, text) == ("2+2.", "4")

    def test_a_preamble_is_shown(self) -> None:
        text = (
            "<|channel|>commentary<|message|>I'll look.<|end|><|start|>assistant<|channel|>final<|message|>4"
        )
        assert said(HARMONY, text) == ("", "I'll look.\n\n4")

    @pytest.mark.parametrize(
        "header",
        [
            " to=functions.look<|channel|>commentary <|constrain|>json",
            "<|channel|>commentary to=functions.look <|constrain|>json",
        ],
    )
    def test_what_goes_to_a_tool_is_a_call(self, header: str) -> None:
        text = f'<|channel|>analysis<|message|>Look.<|end|><|start|>assistant{header}<|message|>{{"q": 1}}<|call|>'
        if header.startswith("<"):
            assert split(HARMONY, f'{header}<|message|>{{"q": 1}}<|call|>') == [
                ("tool", "look"),
                ("arguments", '{"q": 1}'),
            ]
        assert split(HARMONY, text) == [("thinking", "Look."), ("tool", "look"), ("arguments", '{"q": 1}')]

    def test_a_message_without_its_end_or_its_mark_is_kept(self) -> None:
        assert said(HARMONY, "<|channel|>analysis<|message|>a<|start|>assistant<|channel|>final b") == (
            "a",
            "b",
        )
        assert said(HARMONY, "plain") == ("", "plain")
        assert split(HARMONY, "still thinking", thinking=True) == [("thinking", "still thinking")]

    def test_the_formats_own_test_data(self) -> None:
        text = shared("wire/harmony/test_streamable_parser.txt").read_text(encoding="utf-8")
        kinds = [kind for kind, _ in split(HARMONY, text)]
        assert kinds == ["thinking", "tool", "arguments", "thinking"]
        text = shared("wire/harmony/test_does_not_drop_if_ongoing_analysis.txt").read_text(encoding="utf-8")
        generated = text.split("<|start|>assistant", 1)[1]
        assert split(HARMONY, generated)[1:3] == [
            ("tool", "lookup_weather"),
            ("arguments", '{"location": "San Francisco"}'),
        ]


class Case(NamedTuple):
    dialect: str
    raw: str
    thinking: str
    answer: str


def cases() -> list[Case]:
    file = FOLDER / "wire/dialects.json"
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [
        Case(row["family"], case["raw"], case["reasoning"], case["content"] or "")
        for row in rows
        for case in row["cases"]
    ]


MODELS = {
    "deepseek-v3.1/v3.2/v4": "deepseek-v3.1",
    "qwen3 hybrid": "qwen3-8b",
    "gpt-oss harmony": "gpt-oss-20b",
}
"""What a dialect's name begins with is mostly a model's."""
FIRST = {
    "llama-nemotron": "llama-3.1-nemotron-ultra",
    "ernie-4.5": "ernie-4.5-21b-a3b-thinking",
    "ifm": "k2-horizon",
}


def model_of(dialect: str) -> str:
    first = dialect.split(" ", maxsplit=1)[0].split("/", maxsplit=1)[0]
    return MODELS.get(dialect) or FIRST.get(first) or first


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.dialect} {case.raw[:12]}")
def test_each_known_dialect_by_its_familys_row(case: Case) -> None:
    family = family_of(model_of(case.dialect))
    assert family.name != "generic"
    assert family.think is not None
    for chunks in ([case.raw], list(case.raw)):
        pieces = split(family.think, *chunks)
        for kind, expected in (("thinking", case.thinking), ("answer", case.answer)):
            got = "".join(text for what, text in pieces if what == kind)
            assert (
                got.strip() == expected.strip()
            )  # white space beside tags is told apart by no two parsers alike


def words(rules: ThinkRules) -> st.SearchStrategy[str]:
    """Texts in which markers, their pieces and what may quote them are frequent."""
    marks = [*rules.opens, *rules.closes, *rules.ends, *[mark for pair in rules.wraps for mark in pair]]
    if rules.format == "harmony":
        marks = [
            "<|start|>",
            "<|channel|>",
            "<|message|>",
            "<|end|>",
            "assistant",
            "analysis",
            " to=functions.f",
        ]
    pieces = [*marks, *[mark[:-1] for mark in marks], *[mark[1:] for mark in marks]]
    atoms = st.sampled_from(
        [*pieces, *pieces, "a", " ", " a", "\n", '"', "`", "```", "'", ".", "é", "<", "◁"]
    )
    return st.lists(atoms, max_size=14).map("".join)


@pytest.mark.parametrize("rules", DIALECTS, ids=["tags", "inside", "kimi", "wrapped", "prose", "harmony"])
@given(data=st.data())
def test_any_chunking_gives_the_same(rules: ThinkRules, data: st.DataObject) -> None:
    text = data.draw(words(rules))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = split(rules, text)
    assert split(rules, *chunks) == whole
    assert split(rules, *text) == whole


@given(words(TAGS))
def test_nothing_but_tags_and_white_space_is_lost(text: str) -> None:
    kept = "".join(piece for _, piece in split(TAGS, text))
    assert [kept.count(letter) for letter in "a\"`.é'"] == [text.count(letter) for letter in "a\"`.é'"]


def perhaps(*chunks: str) -> list[Piece]:
    parser = MaybeThinkingParser(INSIDE)
    return joined([piece for chunk in chunks for piece in parser.feed(chunk)] + parser.close())


class TestWhereTheServerMayHaveSplitItOff:
    def test_a_close_tag_tells_that_it_has_not(self) -> None:
        assert perhaps("7+5", "=2\n", "</think>", "\n", "8") == [("thinking", "7+5=2"), ("answer", "8")]
        assert perhaps("7+5=2\n</think>") == [("thinking", "7+5=2")]

    def test_without_one_it_was_the_answer(self) -> None:
        assert perhaps("It ", "is 8.\n") == [("answer", "It is 8.\n")]

    def test_what_follows_a_thought_is_not_held(self) -> None:
        parser = MaybeThinkingParser(INSIDE)
        parser.feed("so</think>It")
        assert parser.feed(" is") == [("answer", " is")]

    @given(data=st.data())
    def test_any_chunking_gives_the_same(self, data: st.DataObject) -> None:
        text = data.draw(words(INSIDE))
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
        chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert perhaps(*chunks) == perhaps(text) == perhaps(*text)
