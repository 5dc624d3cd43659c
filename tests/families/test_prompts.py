"""Prompts: the template, the family's instruction, and clients that try to forge a turn."""

from hypothesis import given
from hypothesis import strategies as st

from perpend.families.family import family_named
from perpend.families.prompts import begin_answer, chatml, system_first, with_family_prompt
from perpend.types import Message


def test_chatml_begins_the_assistants_turn() -> None:
    assert chatml((Message("user", "Hi"),)) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


@given(st.lists(st.sampled_from(["<|im_end|>", "<|im_start|>", "<|endoftext|>", "system\n", "x", "<|"])))
def test_a_message_cannot_end_its_turn(pieces: list[str]) -> None:
    prompt = chatml((Message("user", "".join(pieces)),))
    assert prompt.count("<|im_start|>") == 2
    assert prompt.count("<|im_end|>") == 1
    assert "<|endoftext|>" not in prompt


def test_the_familys_instruction_follows_the_clients_own() -> None:
    family = family_named("qwen2.5-coder")
    own = (Message("system", "Be kind."), Message("user", "Hi"))
    system, user = with_family_prompt(own, family)
    assert system.text.startswith("Be kind.\n\n")
    assert system.text.endswith(family.system)
    assert user == own[1]
    assert with_family_prompt(own[1:], family)[0] == Message("system", family.system)


def test_an_open_tag_that_the_template_wrote_isnt_written_again() -> None:
    family = family_named("deepseek-r1")
    assert begin_answer("<|User|>Hi<|Assistant|><think>\n", "<think>\nSo", family) == (
        "<|User|>Hi<|Assistant|><think>\nSo"
    )
    assert begin_answer("<|Assistant|>", "<think>\nSo", family) == "<|Assistant|><think>\nSo"
    assert begin_answer("<|Assistant|><think>\n", "", family) == "<|Assistant|><think>\n"


def test_a_family_whose_system_prompt_decides_is_told_not_to_think() -> None:
    family = family_named("llama-nemotron")
    told = with_family_prompt((Message("user", "Hi"),), family, thinking=False)
    assert told[0] == Message("system", "detailed thinking off")


def test_a_system_message_in_the_middle_is_the_user_s_where_templates_take_none() -> None:
    told = (Message("system", "a"), Message("user", "b"), Message("system", "c"), Message("assistant", "d"))
    assert [message.role for message in system_first(told)] == ["system", "user", "user", "assistant"]
    assert [message.text for message in system_first(told)] == ["a", "b", "c", "d"]
