"""What a trial of a suite finds."""

from msgspec.structs import replace

from perpend.evals.audits.trial import TrialFinding, trial
from perpend.evals.problems import Problem
from perpend.types import Message, VerifierSpec


def problem(question: str, gold: str, verifier: str = "exact", id_: str | None = None) -> Problem:
    return Problem(
        id=id_ or question, messages=(Message("user", question),), verifier=VerifierSpec(verifier, gold)
    )


async def found(*problems: Problem) -> dict[str, TrialFinding]:
    return {finding.what: finding for finding in (await trial(problems)).findings}


async def test_a_gold_that_its_verifier_refuses() -> None:
    of = [problem("a", "[1-9]", "regex"), problem("b", "1", "regex")]
    assert (await found(*of))["its own gold doesn't pass"].problems == ("a",)
    assert not (await trial(of)).sound


async def test_a_verifier_that_passes_anything() -> None:
    findings = await found(problem("a", ".*", "regex"), problem("b", "x", "regex"))
    assert findings["a wrong answer passes"].problems == ("a",)


async def test_golds_at_odds_and_repeats() -> None:
    findings = await found(
        problem("What  is it?", "1", id_="a"),
        problem("what is it?", "2", id_="b"),
        problem("And this?", "3", id_="c"),
        problem("And this?", "3", id_="d"),
    )
    assert findings["the same question has different golds"] == TrialFinding(
        True, "the same question has different golds", ("a", "b")
    )
    assert findings["the same question is there twice"] == TrialFinding(
        False, "the same question is there twice", ("c", "d")
    )


async def test_an_id_that_is_used_twice() -> None:
    assert (await found(problem("a", "1", id_="x"), problem("b", "2", id_="x")))[
        "an id is used twice"
    ].serious


async def test_a_gold_in_its_question() -> None:
    findings = await found(problem("Who wrote it, Emily Dickinson?", "Emily Dickinson"), problem("b", "1"))
    assert findings["the question contains its gold"].problems == ("Who wrote it, Emily Dickinson?",)


async def test_lopsided_golds_and_few_of_them() -> None:
    lopsided = [problem(f"q{n}", "A" if n else "B", "choice") for n in range(20)]
    whats = list(await found(*lopsided))
    assert any("19 of 20 golds are 'A'" in what for what in whats)
    assert any("20 questions show a difference only from about 0.31 on" in what for what in whats)
    enough = [problem(f"q{n}", f"{n}") for n in range(100)]
    assert (await trial(enough)).findings == ()


async def test_tests_of_a_program_without_a_known_solution_arent_tried() -> None:
    done = await trial([problem("a", '[{"stdin": "", "stdout": "1"}]', "code"), problem("b", "1")])
    assert (done.tried, done.sound) == (1, True)


async def test_a_gold_is_tried_before_its_solution() -> None:
    other = replace(problem("a", "[1-9]", "regex"), solution="5")
    assert not (await trial([other, problem("b", "1", "regex")])).sound


async def test_of_several_answers_one_alone_is_wrong() -> None:
    """A list that its grader takes for a choice is found out."""
    assert (await trial([problem("a", "8, 4", "math"), problem("b", "9", "math")])).sound
    findings = await found(problem("a", "$8$,$4$", "math"), problem("b", "9", "math"))
    assert findings["a wrong answer passes"].problems == ("a",)
