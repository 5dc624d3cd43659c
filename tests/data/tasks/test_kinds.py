"""Each kind against an answer that was found in another way than its own work."""

import pytest

from perpend.data.error_injection import NO_ERRORS
from perpend.data.tasks import TaskProblem, fresh, kinds


@pytest.mark.parametrize(
    ("kind", "text", "lines", "answer"),
    [
        ("chain", "Start at 7: +5 *3 -4. Last digit?", ["7+5=2", "2*3=6", "6-4=2"], "2"),
        ("total", "Compute 17+25-8.", ["17+25=42", "42-8=34"], "34"),
        ("add", "Add 482 and 977.", ["2+7=9", "8+7=15", "4+9+1=14"], "1459"),
        ("multiply", "Multiply 482 by 7.", ["2*7=14", "8*7+1=57", "4*7+5=33"], "3374"),
        ("equation", "Solve 3(2x+4)-5=37.", ["37+5=42", "42/3=14", "14-4=10", "10/2=5"], "5"),
        ("track", "Row dbaec. Swap 13 24. Row?", ["13 abdec", "24 aedbc"], "aedbc"),
        ("search", "Roads b-de a-bc c-f. From a to f.", ["abd dead", "abe dead", "ab dead", "acf"], "acf"),
    ],
)
def test_the_work_of_the_docstring(kind: str, text: str, lines: list[str], answer: str) -> None:
    assert kinds.get(kind).work(text, NO_ERRORS) == (lines, answer)


def numbers(text: str) -> tuple[int, int]:
    first, second = (int(word) for word in text.rstrip(".").split() if word.isdigit())
    return first, second


def test_paper_arithmetic_agrees_with_python() -> None:
    for problem in fresh(3, "add", 300):
        assert problem.gold == str(sum(numbers(problem.text)))
    for problem in fresh(3, "multiply", 300):
        first, second = numbers(problem.text)
        assert problem.gold == str(first * second)
    for problem in fresh(3, "total", 300):
        terms = problem.text.removeprefix("Compute ").rstrip(".").replace("-", "+-").split("+")
        assert problem.gold == str(sum(map(int, terms)))


def value(side: str, x: int) -> int:
    """A side of an equation, read from the inside: `a(…)`, `ax`, `…+b`, `…-b`."""
    if side == "x":
        return x
    if side[-2] in "+-":
        return value(side[:-2], x) + int(side[-2:])
    return int(side[0]) * value(side[1:].strip("()") if side[1] != "(" else side[2:-1], x)


def test_a_solution_put_in_makes_the_sides_equal() -> None:
    for problem in fresh(3, "equation", 300):
        left, right = problem.text.removeprefix("Solve ").rstrip(".").split("=")
        assert value(left, int(problem.gold)) == int(right)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("acf", True),
        ("af", False),
        ("abcf", False),
        ("ac", False),
        ("cf", False),
        ("", False),
        ("acf.", False),
    ],
)
def test_a_way_must_be_walkable_from_end_to_end(answer: str, right: bool) -> None:
    problem = TaskProblem("search", 5, "Roads b-de a-bc c-f. From a to f.")
    assert problem.solved_by(answer) is right
