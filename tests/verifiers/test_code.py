"""Solutions that pass, ones that don't and are told why, and ones that try to pass without solving anything."""

import ast
import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sandbox.sandboxes import NAMES, wrong
from shared_data import shared

from perpend.types import Candidate, Verdict
from perpend.verifiers import Task
from perpend.verifiers.code import Code

pytestmark = pytest.mark.skipif(all(wrong(name) for name in NAMES), reason="no sandbox works here")


@pytest.fixture
async def code() -> AsyncGenerator[Code, None]:
    verifier = Code(timeout_s=20)
    yield verifier
    await verifier.aclose()


async def verdict(code: Code, gold: Any, answer: str) -> Verdict:
    text = gold if isinstance(gold, str) else json.dumps(gold)
    return await code.verify(Task(gold=text), Candidate(answer=answer))


SQUARES = "assert square(2) == 4\nassert square(-3) == 9\nassert square(0) == 0"


class TestAsserts:
    async def test_right(self, code: Code) -> None:
        found = await verdict(
            code, SQUARES, "Here:\n```python\ndef square(n):\n    return n * n\n```\nIt squares."
        )
        assert found == Verdict(1.0, True)

    async def test_the_score_is_the_share_and_the_feedback_has_call_and_result(self, code: Code) -> None:
        found = await verdict(code, SQUARES, "def square(n): return n + n")
        assert (found.passed, round(found.score, 3)) == (False, 0.667)
        assert found.feedback == "2 of 3 tests passed\nassert square(-3) == 9: square(-3) returned -6"

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (
                "def square(n):\n    return n / 0",
                "square(2) raised ZeroDivisionError: division by zero (line 2: return n / 0)",
            ),
            ("def square(n)\n    return n", "SyntaxError"),
            ("def cube(n): return n", "square(2) raised KeyError"),
            ("def square(n):\n    while n: pass", "square(2): it ran out of time"),
            ("def square(n): return object()", "a value of type object"),
            ("", "no program"),
        ],
    )
    async def test_what_went_wrong(self, answer: str, said: str) -> None:
        code = Code(timeout_s=4)  # a call is told once it took a second
        try:
            found = await verdict(code, SQUARES, answer)
        finally:
            await code.aclose()
        assert not found.passed
        assert said in found.feedback

    @pytest.mark.parametrize(
        ("does", "said"),
        [
            ("while True: pass", "it ran out of time after"),
            ("x = []\n    while True: x.append(b'x' * 100_000)", "it was ended by memory"),
            ("while True: print('flood')", "it was ended by output"),
            (
                "import ctypes\n    ctypes.string_at(8)",
                "assert square(2) == 4: square(2): it was ended by SIGSEGV",
            ),
            ("import os\n    os._exit(3)", "assert square(2) == 4: square(2): it ended with status 3"),
            ("import os\n    os._exit(0)", "assert square(2) == 4: square(2): it answers no more"),
            (
                "import os\n    os.write(3, b'{\"returned\": 4')\n    os._exit(3)",
                "assert square(2) == 4: square(2): it ended with status 3",
            ),
        ],
    )
    async def test_how_a_solution_ended_that_answers_no_more(self, does: str, said: str) -> None:
        code = Code(timeout_s=1.5 if "out of time" in said else 60, memory_mb=96)
        try:
            found = await verdict(code, SQUARES, f"def square(n):\n    {does}")
            at_once = await verdict(code, SQUARES, does.replace("\n    ", "\n"))
        finally:
            await code.aclose()
        assert said in (found.feedback or "")
        assert said.rpartition(": ")[2] in (at_once.feedback or "")

    async def test_a_test_that_expects_an_exception_isnt_met_by_an_end(self, code: Code) -> None:
        gold = "try:\n    square('x')\n    assert False\nexcept Exception:\n    assert True"
        found = await verdict(code, gold, "def square(n):\n    import os\n    os._exit(0)")
        assert (found.passed, found.score) == (False, 0)

    @pytest.mark.parametrize(
        "test", ["except:\n    ended = True", "finally:\n    raise SystemExit", "finally:\n    pass"]
    )
    async def test_no_test_outlives_its_solution(self, code: Code, test: str) -> None:
        gold = f"ended = True\ntry:\n    square(2)\n{test}\nassert ended"
        found = await verdict(code, gold, "def square(n):\n    import os\n    os._exit(0)")
        assert (found.passed, found.feedback) == (False, "0 of 1 tests passed\nsquare(2): it answers no more")

    STOPS = ("StopIteration", "StopAsyncIteration", "GeneratorExit", "SystemExit", "KeyboardInterrupt")
    LOOPS = (
        "assert all(map(square, [1, 2]))",
        "assert not any(map(square, [1, 2]))",
        "assert sum(map(square, [1, 2])) == 0",
        "assert list(filter(square, [1, 2])) == []",
        "assert [*iter(lambda: square(1), 2)] == []",
        "assert next(map(square, [1, 2]), 3) == 3",
        "for number in map(square, [1, 2]):\n    assert number",
        "async def run():\n    async for number in numbers():\n        assert number\n"
        "class numbers:\n    __aiter__ = lambda self: self\n    async def __anext__(self): return square(1)\n"
        "import asyncio\nasyncio.run(run())",
    )
    HANDLERS = ("{kind}", "(ValueError, {kind})", "Exception", "({kind},)", "BaseException")

    @pytest.mark.parametrize("kind", STOPS)
    async def test_no_exception_of_a_solution_ends_a_loop_of_the_tests(self, code: Code, kind: str) -> None:
        answer = f"def square(n):\n    if n: raise {kind}\n    return 0"
        golds = [f"assert square(0) == 0\n{test}" for test in self.LOOPS]
        for found in await asyncio.gather(*(verdict(code, gold, answer) for gold in golds)):
            assert (found.passed, found.score) == (False, 0.5), found
            assert f"square(1) raised {kind}" in (found.feedback or "")

    @pytest.mark.parametrize("kind", STOPS)
    async def test_a_test_may_expect_each(self, code: Code, kind: str) -> None:
        setup = f"def raises(f):\n    try:\n        f(1)\n    except {kind}:\n        return True"
        golds = [
            {"setup": setup, "test": f"try:\n    square(1)\nexcept {handler.format(kind=kind)}:\n    assert True\n"
             "assert raises(square)"}
            for handler in self.HANDLERS
        ]  # fmt: skip
        answer = f"def square(n): raise {kind}"
        for found in await asyncio.gather(*(verdict(code, gold, answer) for gold in golds)):
            assert found.passed, found

    async def test_a_handler_of_another_kind_catches_none(self, code: Code) -> None:
        gold = "try:\n    square(1)\nexcept ValueError:\n    pass\nassert True"
        found = await verdict(code, gold, "def square(n): raise StopIteration")
        assert not found.passed

    @pytest.mark.parametrize(
        "raised",
        [
            "class E(Exception):\n    def __str__(self): raise SystemExit(0)",
            "class E(Exception):\n    __str__ = lambda self: 3",
            "class E(BaseException):\n    def __getattribute__(self, name): raise KeyboardInterrupt",
            "class M(type):\n    __name__ = property(lambda self: 1 / 0)\nclass E(Exception, metaclass=M): pass",
            "class S(str):\n    __getitem__ = lambda *_: {1}\nclass E(Exception):\n    __str__ = lambda self: S('x')",
        ],
    )
    async def test_an_exception_that_cant_be_told(self, code: Code, raised: str) -> None:
        found = await verdict(code, SQUARES, f"{raised}\ndef square(n): raise E")
        assert found.feedback.startswith(
            "0 of 3 tests passed\nassert square(2) == 4: square(2) raised Exception: one that can't be told\n"
        )

    async def test_half_of_a_surrogate_pair_is_told(self, code: Code) -> None:
        found = await verdict(code, "assert square(2) == 4", "def square(n): raise ValueError('\\ud800')")
        assert "square(2) raised ValueError: \\ud800" in found.feedback

    @pytest.mark.parametrize(
        "writes",
        [
            "os.pwrite(4, b'nonsense\\n', 0)",
            "os.pwrite(4, b'[]\\n' * 9, 0)",
            "os.pwrite(4, b'{\"count\": \"x\"}\\n' + b' ' * 4000, 0)",
            "os.pwrite(4, b'{\"passed\": -5, \"failed\": 1e99}\\n' + b' ' * 4000, 0)",
            "os.pwrite(4, b'[' * 90_000 + b'\\n', 0)",
            "os.pwrite(4, bytes(4096), 0)",
            "os.ftruncate(4, 0)",
        ],
    )
    async def test_tests_that_write_over_their_report_pass_nothing(self, code: Code, writes: str) -> None:
        found = await verdict(
            code, f"import os\nassert square(2) == 4\n{writes}\nos._exit(0)", "def square(n): return 4"
        )
        assert (found.passed, found.score <= 0.5) == (False, True)

    async def test_an_answer_that_cant_be_sent_is_told(self, code: Code) -> None:
        found = await verdict(code, "assert square(2) == 4", "x = []\nx.append(x)\ndef square(n): return x")
        assert "square(2) raised RecursionError" in found.feedback

    async def test_any_number_of_tests_may_pass(self, code: Code) -> None:
        gold = {
            "test": "def check(candidate):\n    for n in range(150_000): assert n < 149_999\n"
            "    assert candidate(3) == 9",
            "entry_point": "square",
        }
        found = await verdict(code, gold, "def square(n): return n * n")
        assert found.feedback == "150000 of 150001 tests passed\nassert n < 149999"

    async def test_any_number_of_tests_may_fail(self, code: Code) -> None:
        gold = {
            "test": "def check(candidate):\n    for n in range(100_000): assert n == -1, '\U0001f600' * 5000",
            "entry_point": "square",
        }
        found = await verdict(code, gold, "def square(n): return n * n")
        assert found.feedback.startswith("0 of 100000 tests passed\nassert n == -1")
        assert found.feedback.endswith("and 99997 more")

    async def test_what_was_tested_before_a_limit_counts(self) -> None:
        code = Code(timeout_s=3)
        try:
            gold = {
                "test": "def check(candidate):\n    for n in range(70_001): assert n or candidate(1) == 1\n"
                "    assert candidate(2) == 4",
                "entry_point": "square",
            }
            found = await verdict(code, gold, "def square(n):\n    while n == 2: pass\n    return n")
        finally:
            await code.aclose()
        assert found.feedback == "70001 of 70002 tests passed\nsquare(2): it ran out of time after 3.0 s"

    async def test_a_limit_goes_before_what_the_judge_says(self, code: Code) -> None:
        answer = "def square(n):\n    print('x' * 2_000_000)\n    return n * n"
        for _ in range(5):
            found = await verdict(code, "assert square(2) == 4", answer)
            assert not found.passed
            assert "it was ended by output" in found.feedback

    async def test_check_with_a_candidate_and_a_setup(self, code: Code) -> None:
        gold = {
            "setup": "def naive(n):\n    return sum(range(n + 1))",
            "test": "def check(candidate):\n    for n in range(20):\n        assert candidate(n) == naive(n), n",
            "entry_point": "total",
        }
        assert (await verdict(code, gold, "def total(n): return n * (n + 1) // 2")).passed
        found = await verdict(code, gold, "def naive(n): return 0\ndef total(n): return 0")
        assert found.feedback.startswith(
            "1 of 20 tests passed\nassert candidate(n) == naive(n), n: total(1) returned 0"
        )

    @pytest.mark.parametrize(
        "test",
        [
            "assert fall(3) == 6\nassert fall(4) == 24",
            "def check(candidate):\n    for n in (3, 4):\n        assert candidate(n) == _reference(n)",
        ],
    )
    async def test_a_reference_of_the_same_name_is_not_what_is_tested(self, code: Code, test: str) -> None:
        reference = "def fall(n): return n * fall(n - 1) if n else 1\n_reference = fall"
        gold = {"setup": reference, "test": test, "entry_point": "fall"}
        assert (await verdict(code, gold, "import math\nfall = math.factorial")).passed
        found = await verdict(code, gold, "def fall(n): return 24")
        assert found.score == pytest.approx(1 / 2), found.feedback

    async def test_tests_may_expect_exceptions_and_lack_imports(self, code: Code) -> None:
        gold = (
            "try:\n    root(-1)\n    assert False\nexcept ValueError:\n    assert True\n"
            "assert math.isclose(root(2), 1.41421, rel_tol=1e-4)"
        )
        answer = "def root(n):\n    if n < 0:\n        raise ValueError(n)\n    return n ** 0.5"
        assert (await verdict(code, gold, answer)).passed

    async def test_a_function_may_have_the_name_of_a_builtin(self, code: Code) -> None:
        gold = {"test": "assert sum(10, 15) == 25", "entry_point": "sum"}
        assert (await verdict(code, gold, "def sum(a, b): return a + b")).passed

    async def test_what_is_printed_or_run_as_a_script_doesnt_matter(self, code: Code) -> None:
        answer = "def square(n):\n    print('squaring', n)\n    return n * n\n"
        answer += "if __name__ == '__main__':\n    print(input())"
        assert (await verdict(code, SQUARES, answer)).passed


SLY = {
    "leaving": "import sys; sys.exit(0)",
    "leaving at once": "import os; os._exit(0)",
    "leaving in the call": "def square(n):\n    import os\n    os._exit(0)",
    "raising what ends a program": "def square(n): raise SystemExit(0)",
    "printing a verdict": 'print(\'{"count": 1}\\n{"passed": true}\\n{"done": true}\')',
    "writing a verdict everywhere": """
import os
for fd in range(64):
    try:
        os.write(fd, b'{"count": 1}\\n{"passed": true}\\n{"done": true}\\n')
    except OSError:
        pass
""",
    "being equal to everything": "class Any:\n    __eq__ = lambda *_: True\n    __hash__ = lambda _: 0\n"
    "def square(n): return Any()",
    "a number that is equal to everything": "class N(int):\n    __eq__ = lambda *_: True\n    __hash__ = int.__hash__\n"
    "def square(n): return N(7)",
    "other builtins": "import builtins\nbuiltins.all = builtins.bool = lambda *_: True\n"
    "builtins.AssertionError = ZeroDivisionError\ndef square(n): return 1",
    "another checker": "import sys, json\njson.dumps = lambda _: '{\"returned\": true}'\n__assert__ = lambda *_: True\n"
    "for frame in sys._current_frames().values():\n    frame.f_globals['judge'] = print\ndef square(n): return 1",
    "a module that the tests import": "open('/tmp/math.py', 'w').write('x')\nopen('/tmp/ast.py', 'w').write('x')\n"
    "def square(n): return 1",
    "stopping the judge": "import os, signal\nfor pid in range(2, 9):\n    if pid != os.getpid():\n"
    "        try: os.kill(pid, 9)\n        except OSError: pass\ndef square(n): return 4",
    "a hook on the tests": "import sys\nsys.settrace(lambda *_: None)\nsys.excepthook = print\nimport atexit, os\n"
    "atexit.register(lambda: os._exit(0))\ndef square(n): raise KeyboardInterrupt",
    "answers that aren't any": "import os\ndef square(n):\n    os.write(3, b'nonsense\\n')\n    return 1",
    "answers that are too deep": "import os\ndef square(n):\n"
    "    os.write(3, b'{\"returned\": ' + b'[' * 100_000 + b'\\n')\n    return 1",
}  # fmt: skip


@pytest.mark.parametrize("name", SLY)
async def test_success_cant_be_forged(name: str) -> None:
    code = Code(timeout_s=3)
    try:
        for gold in (SQUARES, [{"stdin": "2", "stdout": "4"}]):
            found = await verdict(code, gold, SLY[name])
            assert not found.passed, found
    finally:
        await code.aclose()


class TestPairs:
    GOLD = ({"stdin": "1 2\n", "stdout": "3\n"}, {"stdin": "5 -6", "stdout": "-1"})

    async def test_right(self, code: Code) -> None:
        assert (
            await verdict(code, self.GOLD, "```python\nprint(sum(map(int, input().split())), ' ')\n```")
        ).passed

    async def test_wrong(self, code: Code) -> None:
        found = await verdict(code, self.GOLD, "a, b = map(int, input().split())\nprint(a + abs(b))")
        assert (found.score, found.feedback) == (
            0.5,
            "1 of 2 tests passed\nfor input '5 -6' expected '-1', got '11'",
        )

    async def test_a_traceback(self, code: Code) -> None:
        found = await verdict(code, self.GOLD, "print(int(input()))")
        assert "for input '1 2' expected '3', it ended with status 1: " in found.feedback
        assert "ValueError: invalid literal" in found.feedback

    async def test_words_count_and_lines_do(self, code: Code) -> None:
        gold = [{"stdin": "", "stdout": "1 2\n3\n"}]
        assert (await verdict(code, gold, "print('1  2 \\n3\\n\\n')")).passed
        assert not (await verdict(code, gold, "print(1, 2, 3)")).passed

    async def test_numbers_may_differ_where_that_is_asked_for(self) -> None:
        code = Code(tolerance=0.01)
        try:
            gold = [{"stdin": "", "stdout": "0.333 yes"}]
            assert (await verdict(code, gold, "print(1 / 3, 'yes')")).passed
            assert not (await verdict(code, gold, "print(0.35, 'yes')")).passed
            assert not (await verdict(code, gold, "print(1 / 3, 'no')")).passed
        finally:
            await code.aclose()


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shared(f"evals/{name}.jsonl").read_text().splitlines()]


def returns_nothing(solution: str) -> str:
    tree = ast.parse(solution)
    for node in ast.walk(tree):
        if isinstance(node, ast.Return):
            node.value = ast.Constant(None)
    return ast.unparse(ast.fix_missing_locations(tree))


@pytest.mark.parametrize("name", ["humaneval", "mbpp_plus"])
async def test_known_solutions_pass_and_broken_ones_dont(name: str) -> None:
    """Every fifth: all of them, and of the larger suites, are in docs/guides/verifiers.md."""
    code, hasty = Code(timeout_s=30), Code(timeout_s=2)

    async def both(row: dict[str, Any]) -> tuple[bool, bool]:
        if name == "humaneval":
            solution, test = row["question"] + row["answer"], row["test"]
        else:
            solution, test = row["answer"], row["assertion"]
        gold = {"test": test, "entry_point": row["entry_point"]}
        right, broken = (
            await verdict(code, gold, solution),
            await verdict(hasty, gold, returns_nothing(solution)),
        )
        return right.passed, broken.passed

    try:
        found = await asyncio.gather(*(both(row) for row in rows(name)[::5]))
    finally:
        await code.aclose()
        await hasty.aclose()
    assert set(found) == {(True, False)}
