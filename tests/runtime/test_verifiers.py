"""One's own verifiers go first, and clients name no private address."""

from pathlib import Path
from typing import Any

import pytest

from perpend.config import Config, ServeConfig, VerifierConfig
from perpend.errors import BadRequest, VerifierFailed
from perpend.runtime import Verifiers
from perpend.types import Candidate, VerifierSpec
from perpend.verifiers import Task, Verifier


async def test_verifiers_of_ones_own_go_before_others(tmp_path: Path) -> None:
    own = {
        "polite": VerifierConfig(command=("true",)),
        "math": VerifierConfig(command=("false",), needs_gold=True),
        "near": VerifierConfig(url="http://127.0.0.1:1/"),
    }
    verifiers = Verifiers(Config(home=tmp_path, verifiers=own))
    polite = verifiers.get(VerifierSpec("polite"))
    assert (await polite.verify(Task(), Candidate(answer="x"))).passed
    assert verifiers.get(VerifierSpec("polite")) is polite
    assert not (await verifiers.get(VerifierSpec("math")).verify(Task(), Candidate(answer="x"))).passed
    assert verifiers.get(VerifierSpec("math")).needs_gold
    with pytest.raises(VerifierFailed, match="'near' can't be asked"):
        await verifiers.get(VerifierSpec("near")).verify(Task(), Candidate(answer="x"))
    with pytest.raises(BadRequest, match="takes no options"):
        verifiers.get(VerifierSpec("polite", options={"rubric": "x"}))
    await verifiers.aclose()


async def test_one_of_the_same_options_is_made_once_and_few_are_kept() -> None:
    verifiers = Verifiers(Config())

    def judge(**options: Any) -> Verifier:
        return verifiers.get(VerifierSpec("judge", options=options))

    first = judge(rubric="a", threshold=0.6)
    assert judge(threshold=0.6, rubric="a") is first
    assert judge(rubric="a") is not first
    for number in range(63):
        judge(rubric=str(number))
        assert judge(threshold=0.6, rubric="a") is first
    before = judge(rubric="0")
    for number in range(100):
        judge(rubric=f"other {number}")
    assert judge(rubric="0") is not before
    await verifiers.aclose()


@pytest.mark.parametrize("allowed", [False, True])
async def test_clients_may_name_private_verifiers_where_the_config_says_so(allowed: bool) -> None:
    verifiers = Verifiers(Config(serve=ServeConfig(private_addresses=allowed)))
    spec = VerifierSpec("http", options={"url": "http://127.0.0.1:1/"})
    with pytest.raises(VerifierFailed if allowed else BadRequest):
        await verifiers.get(spec).verify(Task(), Candidate(answer="x"))
    await verifiers.aclose()
