"""What clients see while several candidates are at work is what the answer says in the end."""

import fake_clock
from hypothesis import given
from hypothesis import strategies as st
from scripted_candidates import ROOM, Try, tries
from spine import Spine, request

from perpend.solve.message_builder import MessageBuilder
from perpend.strategies import strategy_spec
from perpend.types import (
    Answer,
    AnswerDelta,
    Event,
    ProviderStateDelta,
    Text,
    ThinkingDelta,
    Thought,
    VerifierSpec,
)

ENDS = ("stop", "stop", "stop", "length", "dies")
TRIES = st.builds(Try, st.sampled_from("78"), st.integers(0, 9), st.integers(0, 5), st.sampled_from(ENDS))


def played(*each: Try, shows: str = "first", name: str = "best_of_n") -> tuple[list[Event], Answer]:
    asked = request(
        max_thinking_tokens=ROOM,
        strategy=strategy_spec({"name": name, "n": len(each), "stream_candidate": shows}),
        verifier=VerifierSpec("answer", "7"),
    )
    answers = [Try("8", thinks=0)] * 9  # of those who die, and are asked again
    spine = Spine(tries(*each, *answers), family="generic")
    answer = fake_clock.run(spine.ask(asked))
    return spine.events, answer


def seen(events: list[Event]) -> MessageBuilder:
    said = MessageBuilder()
    said.add(event for event in events if isinstance(event, ThinkingDelta | AnswerDelta | ProviderStateDelta))
    return said


@given(st.lists(TRIES, min_size=1, max_size=4).filter(lambda each: any(one.end != "dies" for one in each)))
def test_what_was_seen_is_how_the_answer_begins(each: list[Try]) -> None:
    events, answer = played(*each)
    said = seen(events)
    assert answer.content[: len(said.content)] == said.content
    assert said.thinking in ("", answer.thinking)
    assert "".join(part.text for part in answer.content if isinstance(part, Text)) == answer.text


def test_the_thinking_of_the_first_is_the_answers_whoever_is_chosen() -> None:
    events, answer = played(Try("8", 1, thinks=3), Try("7", 2, thinks=1))
    assert answer.text == "7"
    assert answer.content == (Thought("hm hm hm "), Text("7"))
    assert seen(events).thinking == answer.thinking == "hm hm hm "


def test_so_it_is_where_the_first_is_cancelled_halfway() -> None:
    events, answer = played(Try("8", 9, thinks=3), Try("7", 1, thinks=1))
    assert [one.stop_reason for one in answer.candidates] == ["cancelled", "stop"]
    assert seen(events).thinking == answer.thinking == "hm hm hm "


def test_where_the_first_says_nothing_the_chosen_ones_is_shown_at_the_end() -> None:
    events, answer = played(Try("8", 0, thinks=0), Try("7", 2, thinks=1))
    assert seen(events).empty
    assert answer.thinking == "hm "


def test_otherwise_nothing_is_seen_before_one_is_chosen() -> None:
    events, answer = played(Try("8", 1, thinks=3), Try("7", 2, thinks=1), shows="chosen")
    assert seen(events).empty
    assert (answer.thinking, answer.text) == ("hm ", "7")


def test_what_was_seen_of_one_that_gave_no_answer_stays_the_answers() -> None:
    spec = strategy_spec({"name": "cascade", "models": ["m", "m"]})
    each = (Try("7", 0, thinks=1), Try("8", 1, thinks=1), Try("", 2, thinks=3, end="dies"))
    nobody = Try("", thinks=0, end="dies")
    spine = Spine(tries(*each, nobody), family="generic")
    answer = fake_clock.run(spine.ask(request(max_thinking_tokens=ROOM, strategy=spec)))
    assert answer.text == "7"
    assert answer.plan.reason.endswith("m gave no answer")
    assert seen(spine.events).thinking == answer.thinking == "hm hm hm "
    assert answer.content == (Thought("hm hm hm "), Text("7"))
