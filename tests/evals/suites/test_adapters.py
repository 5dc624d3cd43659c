"""From the rows of data sets, in the forms that they are published in, to questions and golds. All rows are made up."""

import base64
import hashlib
import json
import pickle
import zlib
from typing import Any

import pytest

from perpend.evals.suites.adapters import ADAPTERS, Adapted


def adapted(name: str, **row: Any) -> Adapted:
    found = ADAPTERS[name](row)
    assert found is not None
    return found


def test_gsm8k_ends_in_its_answer() -> None:
    assert adapted("after_hashes", question="How many?", gold="It's 2 * 600.\n#### 1,200").gold == "1200"


def test_a_worked_solution_is_kept_beside_the_gold() -> None:
    assert adapted("worked", question="?", gold=72, solution="48+24 = 72") == Adapted(
        "?", "72", None, "48+24 = 72"
    )
    assert adapted("after_hashes", question="?", gold="It's 2.\n#### 2").solution == "It's 2.\n#### 2"
    assert adapted("worked", question="?", gold="2").solution is None


def test_whole_floats_are_whole() -> None:
    assert adapted("as_is", question="?", gold=27.0).gold == "27"


def test_several_answers_are_a_list() -> None:
    """`8,4` alone would be a decimal comma, and of `$8$,$4$` either might do."""
    for gold, expected in (("$8$,$4$", "8, 4"), (["$8$", "$4$"], "8, 4"), ("$(1,8), (2,7)$", "(1,8), (2,7)")):
        assert adapted("olympiad", question="?", gold=gold, is_multiple_answer=True).gold == expected
    assert adapted("olympiad", question="?", gold=["$2$"], is_multiple_answer=False).gold == "$2$"


def test_a_boxed_solution() -> None:
    assert (
        adapted("boxed", question="?", gold=r"First \boxed{1}, so \boxed{\frac{1}{2}}.").gold
        == r"\frac{1}{2}"
    )
    assert ADAPTERS["boxed"]({"question": "?", "gold": "no box"}) is None


def test_choices_get_letters() -> None:
    for gold in ("B", 1):
        found = adapted("choices", question="Which?", choices=["one", "two"], gold=gold)
        assert (found.question, found.gold) == ("Which?\n\nA. one\nB. two", "B")


def test_gpqa_is_shuffled_alike_in_every_run() -> None:
    row = {"gold": "right ", **{f"Incorrect Answer {n}": f"wrong {n}" for n in (1, 2, 3)}}
    letters = {adapted("gpqa", question=f"Question {n}", **row).gold for n in range(30)}
    assert letters == set("ABCD")
    found = adapted("gpqa", question="Question 1", **row)
    assert f"{found.gold}. right" in found.question
    assert found == adapted("gpqa", question="Question 1", **row)


def test_bbh_has_letters_and_words() -> None:
    assert adapted("bbh", question="?", gold="(B)").verifier == "choice"
    assert [adapted("bbh", question="?", gold=gold).verifier for gold in ("(Q)", "valid")] == [None, None]


def test_theoremqa_by_the_kind_of_answer() -> None:
    found = adapted("theoremqa", question="?", gold=True, answer_type="bool", picture=None)
    assert (found.gold, found.verifier) == ("True", "answer")
    assert adapted("theoremqa", question="?", gold=[1, 2], answer_type="list of integer").gold == "[1, 2]"
    assert (
        ADAPTERS["theoremqa"]({"question": "?", "gold": 1, "answer_type": "integer", "picture": "x.png"})
        is None
    )


@pytest.mark.parametrize("published", [True, False])
def test_arc_shows_the_examples_and_the_tests_inputs_only(published: bool) -> None:
    train = [{"input": [[1, 2]], "output": [[2, 1]]}]
    tests = [{"input": [[3, 4]], "output": [[4, 3]]}, {"input": [[5, 6]], "output": [[6, 5]]}]
    row: dict[str, Any] = {"train": train, "test": tests}
    if not published:
        inputs, outputs = [one["input"] for one in tests], [one["output"] for one in tests]
        row = {"question": {"train": train, "test": inputs}, "gold": outputs}
    found = adapted("arc", **row)
    assert found.gold == "[[[4,3]],[[6,5]]]"
    assert "Input: [[1,2]]\nOutput: [[2,1]]" in found.question
    assert "[[5,6]]" in found.question
    assert "[[6,5]]" not in found.question
    assert adapted("arc", train=train, test=tests[:1]).gold == "[[4,3]]"


def test_game24_is_the_hard_hundred() -> None:
    found = adapted("game24", question="4 5 6 10", rank="901")
    assert json.loads(found.gold) == {"numbers": [4, 5, 6, 10], "target": 24}
    assert ADAPTERS["game24"]({"question": "1 1 4 6", "rank": 1}) is None


def test_code_keeps_its_tests_to_itself() -> None:
    found = adapted(
        "humaneval", question="def f():\n", gold="    return 1\n", entry_point="f", test="def check(c): ..."
    )
    assert json.loads(found.gold) == {"test": "def check(c): ...", "entry_point": "f"}
    assert found.solution == "def f():\n    return 1\n"
    assert "return 1" not in found.question
    assert "check" not in found.question
    shown = adapted(
        "mbpp", question="Do.", gold="code", test_imports=["import os"], test_list=["assert a", "assert b"]
    )
    assert json.loads(shown.gold) == {"setup": "import os", "test": "assert a\nassert b", "entry_point": ""}
    assert "assert a" in shown.question  # it tells the function's name, as the paper does
    assert "assert b" not in shown.question


def test_a_function_that_python_has_too_is_the_solutions() -> None:
    code = "def half(n):\n    return n / 2\ndef sum(a, b):\n    return a + b"
    found = adapted("mbpp", question="Do.", gold=code, test_imports=[], test_list=["assert sum(1, 2) == 3"])
    assert json.loads(found.gold)["entry_point"] == "sum"


def test_evalplus_expects_what_the_reference_returns() -> None:
    found = adapted(
        "evalplus",
        question="def half(xs):\n",
        gold="    return [x / 2 for x in xs]\n",
        entry_point="half",
        base_input=[[[1.0]]],
        plus_input=[[[float("inf"), 3.0]]],
        atol=0,
    )
    gold = json.loads(found.gold)

    def check(candidate: object) -> None:
        names: dict[str, Any] = {}
        exec(f"{gold['setup']}\n{gold['test']}", names)
        names["check"](candidate)

    def double(xs: list[float]) -> list[float]:
        return [x * 2 for x in xs]

    def halve(xs: list[float]) -> list[float]:
        return [x * 0.5 for x in xs]

    check(halve)
    with pytest.raises(AssertionError):
        check(double)
    assert "/ 2" not in found.question


def test_evalplus_makes_the_types_that_the_assertions_show() -> None:
    """And leaves out inputs that the reference itself can't take."""
    found = adapted(
        "evalplus",
        question="",
        gold="def f(pair, of, z):\n    assert pair\n    return pair + tuple(sorted(of)), z\n",
        entry_point="f",
        assertion="assert f((1, [2]), {3}, 1j) == ((1, [2], 3), 1j)\n",
        base_input=[[[1, [2]], [3], "1j"]],
        plus_input=[[[4, [5]], [6, 6], "2j"], [[], [1], "1j"]],
        atol=0,
    )
    gold = json.loads(found.gold)
    names: dict[str, Any] = {}
    exec(f"{gold['setup']}\n{gold['test']}", names)
    assert names["_inputs"] == [[(4, [5]), {6}, 2j], [(), {1}, 1j]]

    def right(pair: tuple[Any, ...], of: set[int], z: complex) -> object:
        assert pair, "the empty one isn't asked"
        return (*pair, *sorted(of)), z

    names["check"](right)


def packed(value: object) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def test_livecodebench_has_public_and_hidden_tests() -> None:
    public = json.dumps([{"input": "1\n", "output": "2\n", "testtype": "stdin"}])
    hidden = packed(json.dumps([{"input": "3\n", "output": "4\n", "testtype": "stdin"}]))
    found = adapted("livecodebench", question="Add 1.", public_test_cases=public, private_test_cases=hidden)
    assert [test["stdin"] for test in json.loads(found.gold)] == ["1\n", "3\n"]
    sampled = adapted("livecodebench", question="Add 1.", public_test_cases=[["1\n", "2\n"]])
    assert json.loads(sampled.gold) == [{"stdin": "1\n", "stdout": "2\n"}]
    assert ADAPTERS["livecodebench"]({"question": "Add 1.", "public_test_cases": []}) is None


def test_livecodebench_without_methods_of_classes() -> None:
    public = json.dumps([{"input": "1", "output": "2", "testtype": "functional"}])
    assert ADAPTERS["livecodebench"]({"question": "Add 1.", "public_test_cases": public}) is None


def test_a_pickle_of_anything_but_a_text_is_refused() -> None:
    with pytest.raises(pickle.UnpicklingError, match="what should be a text"):
        ADAPTERS["livecodebench"](
            {"question": "?", "public_test_cases": "[]", "private_test_cases": packed(print)}
        )


def test_codeforces_without_checkers() -> None:
    row: dict[str, Any] = {
        "question": "Do.",
        "input_format": "n",
        "official_tests": [{"input": "1", "output": "2"}],
    }
    assert json.loads(adapted("codeforces", **row).gold) == [{"stdin": "1", "stdout": "2"}]
    assert ADAPTERS["codeforces"]({**row, "generated_checker": "def ..."}) is None


def test_browsecomp_is_uncovered() -> None:
    def covered(text: str) -> str:
        key = hashlib.sha256(b"canary").digest()
        return base64.b64encode(bytes(b ^ key[i % 32] for i, b in enumerate(text.encode()))).decode()

    question = "Which long question was this, of more than thirty-two letters?"
    found = adapted("browsecomp", question=covered(question), gold=covered("é"), canary="canary")
    assert (found.question, found.gold) == (question, "é")


def test_hle_and_gaia_leave_out_what_needs_files() -> None:
    assert adapted("hle", question="?", gold="B", image="", answer_type="multipleChoice").verifier == "choice"
    assert (
        ADAPTERS["hle"]({"question": "?", "gold": "B", "image": "data:…", "answer_type": "exactMatch"})
        is None
    )
    assert ADAPTERS["gaia"]({"question": "?", "gold": "B", "file_name": "a.xlsx"}) is None
