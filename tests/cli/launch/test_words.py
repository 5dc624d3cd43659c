"""Before an agent runs it is said whether its first prompt fits the model, and what to do where it doesn't."""

from typing import Any

from spine import Spine

from perpend.cli.launch.agents import agents
from perpend.cli.launch.words import fitting
from perpend.engine.catalogue import catalogue

NOBODY: Any = None
CLAUDE, LLM = agents()["claude"], agents()["llm"]


def test_one_that_fits() -> None:
    model = Spine(NOBODY, context=32_768).model
    said = "m answers Claude Code, in a context of 32,768 tokens; its first prompt takes about 18,000 tokens"
    assert fitting(CLAUDE, model, None) == said
    assert fitting(LLM, model, None) == "m answers llm, in a context of 32,768 tokens"


def test_one_whose_context_is_not_known() -> None:
    model = Spine(NOBODY).model
    assert "about 18,000 tokens, and the model's context isn't known here" in fitting(CLAUDE, model, None)
    assert fitting(LLM, model, None) == "m answers llm"


def test_the_answer_needs_room_too() -> None:
    assert "too small" in fitting(CLAUDE, Spine(NOBODY, context=18_000).model, None)


def test_one_that_knows_more_than_ram_has_room_for_gets_more_by_fewer_slots() -> None:
    said = fitting(CLAUDE, Spine(NOBODY, context=8192).model, catalogue()["qwen2.5-coder-1.5b"])
    assert "hint: PERPEND_ENGINE__SLOTS=1 leaves it more of the 32,768 tokens" in said


def test_elsewhere_another_model_is_named() -> None:
    said = fitting(CLAUDE, Spine(NOBODY, context=512).model, catalogue()["tiny"])
    assert "one of qwen2.5-coder-1.5b, qwen2.5-coder-0.5b, or a provider's" in said
