"""Programs are found in answers, and tests in golds."""

import pytest

from perpend.errors import BadRequest
from perpend.verifiers.code_parsing import Asserts, Example, program_in, read_tests


class TestProgram:
    @pytest.mark.parametrize(
        ("answer", "program"),
        [
            ("def f(): pass", "def f(): pass"),
            ("So:\n```python\nx = 1\n```\nDone.", "x = 1\n"),
            ("```python\nx = 1\n```\nbetter:\n```py\nx = 2\n```", "x = 2\n"),
            ("```python\nx = 1\n```\nIt prints\n```text\n1\n```", "x = 1\n"),
            ("```\nx = 1\n```", "x = 1\n"),
            ("```javascript\nx\n```", "x\n"),
            ("~~~python\nx = 1\n~~~", "x = 1\n"),
            ("```markdown\n```python\nx = 1\n```\n```", "x = 1\n"),
            ("1. First\n   ```python\n   x = 1\n   ```", "x = 1\n"),
            ("- So\n  ```python\n  def f():\n      return 1\n  ```", "def f():\n    return 1\n"),
            ("cut off:\n```python\nx = 1", "x = 1"),
            ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
            ("```Python\nx = 1\n```", "x = 1\n"),
        ],
    )
    def test_the_last_python_block(self, answer: str, program: str) -> None:
        assert program_in(answer) == program

    def test_one_that_defines_what_is_asked_for(self) -> None:
        answer = "```python\ndef f(x): return x\n```\nUse it so:\n```python\nprint(f(1))\n```"
        assert program_in(answer, "f") == "def f(x): return x\n"
        assert program_in(answer, "g") == "print(f(1))\n"
        assert program_in(answer) == "print(f(1))\n"


class TestTests:
    def test_python(self) -> None:
        assert read_tests("assert f(1) == 2") == Asserts("assert f(1) == 2")

    def test_a_list_of_asserts(self) -> None:
        assert read_tests('["assert f(1) == 2", "assert f(2) == 3"]') == Asserts(
            "assert f(1) == 2\nassert f(2) == 3"
        )

    def test_pairs(self) -> None:
        assert read_tests(' [{"stdin": "1", "stdout": "2"}]') == (Example("1", "2"),)

    def test_an_object(self) -> None:
        gold = '{"test": "def check(candidate):\\n    assert candidate(1)", "entry_point": "f"}'
        assert read_tests(gold) == Asserts("def check(candidate):\n    assert candidate(1)", "f")

    @pytest.mark.parametrize(
        ("gold", "said"),
        [
            ("", "no tests"),
            ("[]", "no tests"),
            ("x = 1", "no tests"),
            ("assert (", "aren't Python"),
            ("7 apples", "aren't Python"),
            ("{}", "missing required field `test`"),
            ('{"test": "assert f()", "entry": "f"}', "unknown field `entry`"),
            ('[{"stdin": "1"}]', "missing required field `stdout`"),
            ('[{"stdin": "1", "stdout": 2}]', "Expected `str`"),
            ("def check(candidate):\n    assert candidate(1)", "no entry_point"),
        ],
    )
    def test_what_is_wrong_with_others(self, gold: str, said: str) -> None:
        with pytest.raises(BadRequest, match=said):
            read_tests(gold)
