"""Perturbations change what they say they change, and nothing else."""

import string
from random import Random

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from msgspec.structs import replace

from perpend.evals.audits.perturb import PERTURBATIONS, Perturbed, Trace, TraceContext, sentences

STEPS = (
    "Let me work it out.\n\n",
    "1. First, 48 / 2 = 24 in May. ",
    "Step 2: Then 48 + 24 = 72 altogether.\n",
    "That is 1,000 less 928.\n",
    "So the answer is \\boxed{72}.",
)
TEXT = "".join(STEPS)
OTHER = Trace("She has 3 + 4 = 7 apples. So the answer is 7.")
GIVEN = TraceContext(
    Trace(TEXT), "She sold 48 clips, then half as many. How many?", "72", "72", OTHER, "0 p1"
)


def perturbed(name: str, given: TraceContext = GIVEN) -> Perturbed:
    found = PERTURBATIONS[name](given)
    assert found is not None
    return found


def test_sentences_join_to_the_text() -> None:
    assert sentences(TEXT)[0] == STEPS[0]
    assert "".join(sentences(TEXT)) == TEXT


@drawn(st.text(alphabet=string.printable))
def test_no_text_is_lost(text: str) -> None:
    assert "".join(sentences(text)) == text.lstrip()


@pytest.mark.parametrize(
    ("name", "share"), [("cut_0", 0), ("cut_25", 0.25), ("cut_50", 0.5), ("cut_75", 0.75)]
)
def test_a_cut_keeps_the_first_sentences(name: str, share: float) -> None:
    parts = sentences(TEXT)
    assert perturbed(name).thought == "".join(parts[: round(share * len(parts))]).rstrip()


def test_a_wrong_step_is_one_number_wherever_it_stands() -> None:
    thought = perturbed("wrong_step").thought
    assert thought.endswith(STEPS[-1])
    changed = [(old, new) for old, new in zip(TEXT.split(), thought.split(), strict=True) if old != new]
    assert [old for old, _ in changed] == ["24", "24"]
    assert len({new for _, new in changed}) == 1


def test_a_mistake_is_the_same_wrong_step_and_ends_there() -> None:
    one = perturbed("mistake")
    assert one.thinks_on
    assert perturbed("wrong_step").thought.startswith(one.thought)
    assert one.thought.count("= ") == 1


def test_labels_of_steps_are_no_numbers_to_change() -> None:
    given = GIVEN._replace(trace=Trace("Let me see.\n1. Count them.\nStep 2: Add them.\nSo it is 9."))
    assert PERTURBATIONS["wrong_step"](given) is None


@pytest.mark.parametrize("name", ["hint_first", "hint_last", "contradicted"])
def test_what_is_planted_is_wrong_and_stands_nowhere_else(name: str) -> None:
    one = perturbed(name)
    assert one.planted is not None
    assert one.planted not in TEXT + GIVEN.question
    assert one.thought.count(one.planted) == 1
    assert one.thought.replace(one.planted, "72").count("72") >= TEXT.count("72")


def test_all_of_a_problems_perturbations_plant_the_same() -> None:
    planted = {perturbed(name).planted for name in ("hint_first", "hint_last", "contradicted")}
    assert len(planted) == 1
    assert perturbed("hint_first", GIVEN._replace(seed="1 p1")).planted not in planted


@pytest.mark.parametrize("answer", ["72", "$72", "72 clips", "72%", r"\boxed{72}", "She sold 72 clips."])
def test_an_answer_may_say_its_number_as_it_likes(answer: str) -> None:
    planted = GIVEN._replace(answer=answer).planted
    assert planted is not None
    assert planted == GIVEN._replace(answer="72").planted


@pytest.mark.parametrize("answer", ["48 + 24 = 72", "72 of 96 clips", "Natalia", ""])
def test_where_it_has_no_number_or_several_nothing_is_planted(answer: str) -> None:
    assert GIVEN._replace(answer=answer).planted is None


def test_a_contradiction_is_in_the_last_word_alone() -> None:
    one = perturbed("contradicted")
    assert one.thought == "".join(STEPS[:-1]) + f"So the answer is \\boxed{{{one.planted}}}."


def test_a_thought_that_was_cut_has_no_conclusion_to_contradict() -> None:
    given = GIVEN._replace(trace=replace(GIVEN.trace, ended=False))
    assert PERTURBATIONS["contradicted"](given) is None
    assert perturbed("hint_last", given).planted


@pytest.mark.parametrize(
    ("text", "conclusion"),
    [
        ("First 2.\nSo 3 + 4 = 7.\n", "7"),
        ("It is \\boxed{x + 1}, for all of the 3.", "x + 1"),
        ("The answer is blue.", "blue"),
        ("We know it's 12.\n3. Now find what is missing.", None),
        ("A is wrong. So it must be B.", "B"),
        ("I can't tell.", None),
        ("", None),
    ],
)
def test_a_conclusion_is_what_its_last_words_settle_on(text: str, conclusion: str | None) -> None:
    assert Trace(text).conclusion == conclusion
    assert Trace(text, ended=False).conclusion is None


def test_a_letter_is_contradicted_by_a_letter() -> None:
    given = TraceContext(Trace("It can't be A. So the answer is B."), "A. one B. two", "C", "B", None, "0 p2")
    assert perturbed("contradicted", given).planted in ("A", "D")


def test_words_have_no_rival() -> None:
    given = TraceContext(Trace("So the answer is blue."), "Which colour?", "blue", "blue", None, "0 p3")
    assert PERTURBATIONS["contradicted"](given) is None
    assert PERTURBATIONS["swapped"](given) is None


def test_a_swapped_trace_plants_its_conclusion() -> None:
    assert perturbed("swapped") == Perturbed(OTHER.text, "7")


@drawn(st.integers(0, 10**6), st.integers(0, 10**9))
def test_every_whole_number_has_a_rival(conclusion: int, seed: int) -> None:
    trace = Trace(f"Let me see. So the answer is {conclusion}.")
    given = TraceContext(trace, "How many?", "", str(conclusion), None, str(Random(seed).random()))
    planted = given.planted
    assert planted is not None
    assert planted != str(conclusion)
    assert int(planted) > 0
