"""Extracts the program from an answer, and parses the tests of a gold."""

import ast
import re
from textwrap import dedent

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, BadRequest
from perpend.verifiers.contract import GOLD

_FENCE = re.compile(
    r"^[ \t]*(```+|~~~+)[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_PYTHON = ("python", "py", "python3", "")


class Example(Struct, frozen=True, forbid_unknown_fields=True):
    """A test that runs the whole program."""

    stdin: str
    stdout: str


class Asserts(Struct, frozen=True, forbid_unknown_fields=True):
    """Tests in Python that call the solution's functions."""

    test: str
    """Assert statements, or a function `check(candidate)` that has them (then `entry_point` is that candidate)."""
    entry_point: str = ""
    setup: str = ""
    """Code that the tests need and the solution can't replace: imports, reference functions."""


Tests = Asserts | tuple[Example, ...]


def program_in(answer: str, entry_point: str = "") -> str:
    """The last fenced Python block, or the last that defines `entry_point`; the whole answer where there is none."""
    found = _FENCE.findall(answer)
    blocks = [(language.lower(), dedent(code)) for _, language, code in found if code.strip()]
    # a fenced block of Markdown has the program in an inner fence
    programs = [code for language, code in blocks if language in _PYTHON] or [
        program_in(code, entry_point) for _, code in blocks
    ]
    if not programs:
        return answer
    defines = re.compile(
        rf"^(?:async )?(?:def|class) {re.escape(entry_point)}\b|^{re.escape(entry_point)}\s*=", re.M
    )
    defining = [code for code in programs if entry_point and defines.search(code)]
    return (defining or programs)[-1]


def read_tests(gold: str) -> Tests:
    """The tests of a gold: Python, a JSON list of `{"stdin", "stdout"}`, a JSON list of asserts, or a JSON object.

    Raises BadRequest where it's none of them, or holds no test.
    """
    tests = _read(gold)
    if isinstance(tests, tuple):
        if not tests:
            raise _wrong("it has no tests")
        return tests
    try:
        tree = ast.parse(tests.setup + "\n" + tests.test)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _wrong(f"its tests aren't Python: {error}") from None
    if not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        raise _wrong("it has no tests")
    if (
        any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
        and not tests.entry_point
    ):
        calls = (
            node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        )
        if not any(call.func.id == "check" for call in calls if isinstance(call.func, ast.Name)):
            raise _wrong("it has check(candidate), and no entry_point to call it with")
    return tests


def _read(gold: str) -> Tests:
    """The gold's first characters say whether it is an object, a list, or Python."""
    data = gold.strip().encode(errors="replace")
    try:
        if data.startswith(b"{"):
            return msgspec.json.decode(data, type=Asserts)
        if data.startswith(b'["') or data.startswith(b"[ "):
            return Asserts("\n".join(msgspec.json.decode(data, type=list[str])))
        if data.startswith(b"["):
            return msgspec.json.decode(data, type=tuple[Example, ...])
    except UNREADABLE as error:
        raise _wrong(str(error)) from None
    return Asserts(gold)


def _wrong(what: str) -> BadRequest:
    hint = (
        '"assert f(1) == 2", [{"stdin": "1", "stdout": "2"}, …], or '
        '{"test": "def check(candidate): …", "entry_point": "f"}'
    )
    return BadRequest(f"the gold isn't made of tests: {what}", hint=hint, field=GOLD)
