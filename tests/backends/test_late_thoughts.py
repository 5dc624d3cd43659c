"""A thought that comes once the answer has begun is one, on every wire; a tag that the answer speaks of is text."""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from replaying import Wire, answer, call, ended, joined, thinking
from wire_speech import WIRES, Pieces, stream_of

from perpend.backends.contract import CallEvent
from perpend.backends.speech import Speech
from perpend.families.family import families, family_named, family_of
from perpend.providers.provider import Provider
from perpend.types import ProviderState, ProviderStateDelta, ThinkingDelta, Usage

THINKS = call(family_of("qwen3-8b"), thinking_tokens=99, effort="medium")
HERE = Provider(name="here")


def speak(
    *pieces: tuple[str, str], ended: bool = True, cut: bool = False, held: bool = False
) -> list[CallEvent]:
    speech, batch = Speech(THINKS, HERE, constrained=held), list[CallEvent]()
    for kind, text in pieces:
        (speech.thought if kind == "thought" else speech.answer)(text, batch)
    speech.close(batch, ended=ended, cut=cut)
    return joined(batch)


def told(*texts: str, **how: bool) -> tuple[str, str]:
    said = speak(*[("text", text) for text in texts], **how)
    return thinking(said), answer(said)


BEFORE = ["<think>a</think>", ""]
"""Whether a first thought came in the text or not at all; see also those in a field of their own."""


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(
    ("text", "thought", "left"),
    [
        ("answer<think>b</think>more", "b", "answermore"),
        ("answer.<think>b</think> More", "b", "answer. More"),
        ("answer <think>b</think> more", "b", "answer more"),
        ("answer <think> b </think> more", "b", "answer more"),
        ("answer. <think>\nb\n</think>\nmore", "b", "answer. more"),
        ("answer\n\n<think>\nb\n</think>\n\nmore", "b", "answer\n\nmore"),
        ("answer\n<think> Let me see </think>, more", "Let me see", "answer\n, more"),
        ("one<think>b</think>two<think>c</think>three", "bc", "onetwothree"),
        ('It is 6" tall<think>b</think>\nmore', "b", 'It is 6" tall\nmore'),
        ("A stray ` here<think>b</think>\nmore", "b", "A stray ` here\nmore"),
        ('"42"<think>she says "x"</think> more', 'she says "x"', '"42" more'),
        ("**42**<think>b *c*</think> more", "b *c*", "**42** more"),
        ("```py\nx\n```\n<think>b</think>more", "b", "```py\nx\n```\nmore"),
        ("Say ```x``` now.\n<think>b</think>more", "b", "Say ```x``` now.\nmore"),
        ("answer<think>never closed", "never closed", "answer"),
        (
            "answer<|channel|>analysis<|message|>b<|end|><|start|>assistant<|channel|>final<|message|>more",
            "b",
            "answermore",
        ),
    ],
)
def test_a_thought_in_the_answer_is_one(before: str, text: str, thought: str, left: str) -> None:
    if before and "<|" in text:
        pytest.skip("no model writes tags and channels")
    whole = before + text
    said = told(whole)
    assert said == told(*whole) == told(*[whole[at : at + 7] for at in range(0, len(whole), 7)])
    assert said == (("a" if before else "") + thought, left)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(
    "text",
    [
        "Hi <think> is a tag",
        "Models write <think> before they answer. That is all.",
        "It opens with <think>\nThat is all.",
        "So: <think> tags are for thoughts.",
        "The <think> tag opens, the </think> tag closes.",
        "They put it between <think> and </think>, then answer.",
        "Then <think> ... </think> is left out.",
        "| tag | what |\n| <think> | opens |\n",
        "Use `<think>x</think>` here.",
        "Use `` `<think>x</think>` `` here.",
        "Use ``<think>x</think>`` here.",
        "```xml\n<think>x</think>\n```\nDone.",
        "````md\n```\n<think>x</think>\n```\n<think>y</think>\n````\nDone.",
        "- so:\n  ```\n  <think>x</think>\n  ```\nDone.",
        "> ~~~\n> <think>x</think>\n> ~~~\nDone.",
        "So:\n\n    <think>x</think>\n\nDone.",
        '"<think>x</think>" is a tag.',
        'He wrote "now <think>x</think>" there.',
        '{"text": "say \\"hi\\" <think>x</think>"}',
        "re.sub(r'<think>.*?</think>', '', text)",
        "**<think>** opens it.",
        "“<think>” opens it.",
        "The <|channel|> token opens a header.",
        "`<|channel|>analysis<|message|>x` is a header.",
        "A <thin line, x<y, a </think> alone.",
    ],
)
def test_a_tag_that_the_answer_speaks_of_is_text(before: str, text: str) -> None:
    a = "a" if before else ""
    assert told(before + text) == told(*(before + text)) == (a, text)
    assert answer(speak(("thought", "T"), ("text", text))) == text


TAGGED = {
    name: row
    for name, row in families().items()
    if row.think is not None and row.think.format == "tags" and not row.think.prose
}


@pytest.mark.parametrize("family", TAGGED)
def test_whatever_the_familys_tags(family: str) -> None:
    rules = TAGGED[family].think
    assert rules is not None
    asked = call(TAGGED[family], thinking_tokens=99, effort="medium")
    for opens, closes in product(rules.opens, rules.closes):
        for text, told in (
            (f"answer{opens}SECRET{closes}more", ("TSECRET", "answermore")),
            (f"answer `{opens}x{closes}` more", ("T", f"answer `{opens}x{closes}` more")),
        ):
            for pieces in ([text], [*text]):
                speech, batch = Speech(asked, HERE), list[CallEvent]()
                speech.thought("T", batch)
                for piece in pieces:
                    speech.answer(piece, batch)
                speech.close(batch, ended=True)
                assert (thinking(batch), answer(batch)) == told


@pytest.mark.parametrize("cut", [{"ended": False}, {"cut": True}])
def test_what_may_be_a_thought_in_what_was_cut_is_hidden(cut: dict[str, bool]) -> None:
    assert told("answer <think> so it", **cut) == ("so it", "answer ")
    assert told("answer<think>so it", **cut) == ("so it", "answer")
    assert told("Use `<think>` as it", **cut) == ("", "Use `<think>` as it")


def test_an_answer_that_is_held_to_a_format_has_no_thoughts() -> None:
    said = '{"a": "b"}<think>c</think>'
    assert told(said, held=True) == ("", said)


def test_a_call_ends_a_thought() -> None:
    speech, batch = Speech(THINKS, HERE), list[CallEvent]()
    speech.answer("Well<think>b", batch)
    speech.call(batch, 0, "1", "f", "{}")
    speech.answer("more<think>c</think>!", batch)
    speech.close(batch, ended=True)
    assert (thinking(batch), answer(batch)) == ("bc", "Wellmore!")


def test_what_a_vendor_wants_back_of_a_text_ends_nothing_and_repeats_nothing() -> None:
    add_provider_state = ProviderStateDelta(ProviderState("google", "c2lnbmVk"), "text")
    speech, batch = Speech(THINKS, HERE), list[CallEvent]()
    for text in ("\n", "Well<think>b", "c</think>", "more"):
        speech.answer(text, batch)
        speech.add_provider_state(add_provider_state, batch)
    speech.thought("T", batch)
    for text in ("\n", "end"):
        speech.answer(text, batch)
        speech.add_provider_state(add_provider_state, batch)
    speech.close(batch, ended=True)
    assert (thinking(batch), answer(batch)) == ("bcT", "\nWellmore\nend")


def test_it_comes_as_it_is_said_where_no_sentence_could_hold_its_tag() -> None:
    """So budgets are held to while it goes on."""
    speech = Speech(THINKS, HERE)
    for text, kind in (
        ("answer", answer),
        ("<think>so", thinking),
        (" and so", thinking),
        ("</think>x", answer),
    ):
        batch: list[CallEvent] = []
        speech.answer(text, batch)
        assert kind(batch), text


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "pieces",
    [
        [("text", "answer<thi"), ("text", "nk>b</think>"), ("text", "more")],
        [("thought", "a"), ("text", "answer<think>b</think>more")],
        [("text", "<think>a</think>answer<think>b</think>more")],
        [("thought", "a"), ("text", "<think>b</think>answermore")],
    ],
)
async def test_on_every_wire(wire: str, whole: bool, pieces: Pieces) -> None:
    bodies = [json.dumps(event).encode() for event in WIRES[wire](pieces, whole=whole)]
    if whole:
        said = joined(Wire(wire, bodies[0]).whole(THINKS))
    else:
        said = joined(await Wire(wire, stream_of(wire, bodies)).stream(THINKS))
    assert (thinking(said).replace("a", ""), answer(said)) == ("b", "answermore")


@pytest.mark.parametrize("wire", ["raw_completion", "llama_completion"])
async def test_in_an_answer_that_goes_on_from_a_prompt(wire: str) -> None:
    texts = ["answer", "<thi", "nk>", "b", "</think>", "more"]
    if wire == "raw_completion":
        rows: list[Any] = [{"choices": [{"text": text}]} for text in texts]
        counts = {"prompt_tokens": 9, "completion_tokens": 6}
        rows.append({"choices": [{"text": "", "finish_reason": "stop"}], "usage": counts})
    else:
        rows = [{"content": text, "tokens_predicted": at + 1} for at, text in enumerate(texts)]
        rows.append({"content": "", "stop": True, "tokens_predicted": 6, "tokens_evaluated": 9})
    asked = call(family_named("tiny"), phase="answering")
    said = await Wire(wire, stream_of(wire, rows)).stream(asked)
    assert (thinking(said), answer(said)) == ("b", "answermore")
    assert [event.tokens for event in joined(said) if isinstance(event, ThinkingDelta)] == [3]


async def test_a_server_that_counts_only_the_thoughts_that_it_split_off_is_corrected() -> None:
    counts = {"completion_tokens": 30, "completion_tokens_details": {"reasoning_tokens": 10}}
    rows = [
        *WIRES["openai_chat"]([("thought", "aaaa"), ("text", "answer<think>bbbb</think>more")], whole=False)
    ]
    rows.append({"choices": [], "usage": counts})
    said = await Wire("openai_chat", stream_of("openai_chat", rows)).stream(THINKS)
    assert ended(said).usage == Usage(0, 0, 10 + 5, 15)


WORDS = [
    "<think>",
    "</think>",
    "\n",
    "\n\n",
    " ",
    "`",
    "```",
    '"',
    "'",
    "|",
    ".",
    "tag",
    "the",
    "and",
    " so",
    " So",
    "x",
    "<",
    "thi",
    "\\",
    "    ",
    "<|channel|>",
    "analysis",
    "<|message|>",
]


@given(st.lists(st.sampled_from(WORDS), max_size=16).map("".join), st.booleans(), st.data())
@example("the <think> ta", False, None)
def test_any_cutting_gives_the_same(text: str, cut: bool, data: Any) -> None:
    text = "Well, " + text
    whole = told(text, cut=cut)
    assert told(*text, cut=cut) == whole
    if data is not None:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
        assert (
            told(*[text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)], cut=cut) == whole
        )


@given(st.lists(st.sampled_from(WORDS), max_size=16).map("".join))
def test_nothing_but_tags_and_white_space_is_lost(text: str) -> None:
    text = "Well, " + text.replace("<|", "").replace("|>", "")
    kept = "".join(told(text))
    assert [kept.count(letter) for letter in "`\"'.x\\|"] == [text.count(letter) for letter in "`\"'.x\\|"]
