"""Families are data: every row is complete enough for its budget semantics."""

import pytest

from perpend.backends.families import Family, families, family_named, family_of
from perpend.errors import ConfigError
from perpend.types import EFFORTS


@pytest.mark.parametrize("family", families().values(), ids=list(families()))
def test_a_row_is_complete(family: Family) -> None:
    assert set(family.effort) == set(EFFORTS)
    assert family.effort["none"] == 0
    tokens = [family.effort[word] for word in EFFORTS]
    assert tokens == sorted(tokens), "more effort may not mean fewer tokens"
    assert family.answer_tokens >= 64
    assert family.source
    if family.budget == "exact":
        assert family.open
        assert family.close
        assert family.wait
    if family.budget.startswith("native"):
        assert family.budget_field


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("qwen2.5-coder-1.5b", "qwen2.5-coder"),
        ("Qwen/Qwen2.5-Coder-0.5B", "qwen2.5-coder"),
        ("smollm2-135m", "smollm2"),
        ("tiny", "tiny"),
        ("tinyllama-1.1b", "generic"),
        ("o3-mini", "openai-reasoning"),
        ("deepseek-reasoner", "deepseek"),
        ("something-else", "generic"),
    ],
)
def test_a_model_finds_its_family(model: str, family: str) -> None:
    assert family_of(model).name == family


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'smollm2'"):
        family_named("smolm2")
