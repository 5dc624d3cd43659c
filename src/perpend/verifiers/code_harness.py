"""Both ends of a code test, each in a process of its own: `serve` has the solution, `judge` the tests.

Nothing but plain values goes from one to the other, as a line of JSON, so a solution can say what its functions
return and nothing else: it never sees a test, an expected value, or the verdict. This text is sent into the sandbox,
so it uses the standard library alone.
"""

import ast
import builtins
import importlib
import json
import linecache
import math
import os
import reprlib
import select
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, NoReturn, cast

CHANNEL, REPORT = 3, 4
NAME = "solution.py"
MOST = 100_000
"""Items of an iterator that are sent."""
SLOW_S = 1.0
TOLD = 20
"""Failures that are told; the others are counted."""
HEAD = 4096
"""Bytes of a report's first line."""
LONG = 1000
SHOWN = reprlib.Repr()
SHOWN.maxstring = SHOWN.maxother = 160
SHOWN.maxlist = SHOWN.maxtuple = SHOWN.maxset = SHOWN.maxdict = 12


def short(value: object) -> str:
    try:
        return SHOWN.repr(value)
    except Exception:  # such as a number of too many digits
        return f"some {type(value).__name__}"


def plain(text: str) -> str:
    """Half of a surrogate pair is no text for whoever reads it."""
    return text.encode(errors="backslashreplace").decode()


class Unlike:
    """A value that can't be sent: it may be true or false, and that is all that can be asked of it."""

    def __init__(self, kind: str, truth: object) -> None:
        self.kind = kind
        self.truth = truth is True

    def __bool__(self) -> bool:
        return self.truth

    def __repr__(self) -> str:
        return f"a value of type {self.kind}"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"it returned {self!r}, and only plain values can be compared")

    __eq__ = __ne__ = __iter__ = __len__ = __getitem__ = __hash__ = __lt__ = __gt__ = _refuse  # type: ignore[assignment]


def encode(value: Any) -> Any:
    """As JSON: what JSON hasn't is a list that begins with its kind."""
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value) if -(1 << 53) < value < 1 << 53 else ["int", hex(value)]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else ["float", repr(float(value))]
    if isinstance(value, complex):
        return ["complex", repr(value.real), repr(value.imag)]
    if isinstance(value, bytes | bytearray):
        return [type(value).__name__, value.hex()]
    if isinstance(value, dict):
        return ["dict", *([encode(key), encode(one)] for key, one in cast("dict[Any, Any]", value).items())]
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return [kind.__name__, *map(encode, cast("list[Any]", value))]
    if isinstance(value, range):
        return ["range", value.start, value.stop, value.step]
    if isinstance(value, Iterator) or type(value).__name__ in (
        "dict_keys",
        "dict_values",
        "dict_items",
        "deque",
    ):
        kind = "iterator" if isinstance(value, Iterator) else "list"
        return [kind, *map(encode, islice(cast("Iterator[Any]", value), MOST))]
    if hasattr(value, "tolist"):  # an array, or a number of one
        return encode(value.tolist())
    return ["unlike", type(value).__name__, bool(value)]


PLAIN: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


def decode(sent: Any) -> Any:
    if not isinstance(sent, list):
        return sent
    kind, *rest = cast("list[Any]", sent)
    if kind in PLAIN:
        return PLAIN[kind]([decode(one) for one in rest])
    if kind == "dict":
        return {decode(key): decode(one) for key, one in rest}
    if kind == "iterator":
        return iter([decode(one) for one in rest])
    if kind == "int":
        return int(rest[0], 16)
    if kind == "float":
        return float(rest[0])
    if kind == "complex":
        return complex(float(rest[0]), float(rest[1]))
    if kind in ("bytes", "bytearray"):
        return (bytes if kind == "bytes" else bytearray).fromhex(rest[0])
    if kind == "range":
        return range(*rest)
    return Unlike(str(rest[0]), rest[-1])


def told(error: BaseException) -> str:
    """Kind, message, and the last line of the solution that it came through. It may be one that can't be told."""
    try:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == NAME]
        where = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
        if isinstance(error, SyntaxError) and error.filename == NAME:
            where = f" (line {error.lineno}: {(error.text or '').strip()})"
        return json.dumps({"error": [part[:500] for part in (type(error).__name__, str(error), where)]})
    except BaseException:
        return '{"error": ["Exception", "one that can\'t be told", ""]}'


def serve(code: str) -> None:
    """The solution's end: defines it, then answers calls until the judge is gone."""
    stream = open(CHANNEL, "r+b", buffering=0)  # noqa: SIM115 -- for as long as the process lives
    lines = open(CHANNEL, "rb", closefd=False)  # noqa: SIM115
    space: dict[str, Any] = {"__name__": "solution"}  # what is under `if __name__ == "__main__"` isn't run
    linecache.cache[NAME] = (len(code), None, code.splitlines(keepends=True), NAME)

    def say(answer: Callable[[], Any]) -> None:
        try:
            text = json.dumps(answer())
        except BaseException as error:
            text = told(error)
        data = text.encode() + b"\n"
        while data:
            data = data[stream.write(data) :]

    def define() -> Any:
        exec(compile(code, NAME, "exec"), space)  # noqa: S102 -- what a sandbox is for
        return {"defined": True}

    def call(line: bytes) -> Any:
        name, arguments, named = json.loads(line)
        return {"returned": encode(space[name](*decode(arguments), **decode(named)))}

    say(define)
    for line in lines:
        say(partial(call, line))


class JudgeReport:
    """A line that is written anew as tests are done, whatever ends the run and however many they are; below it, what is
    to be told, line by line.
    """

    def __init__(self, count: int) -> None:
        self._counts: dict[str, Any] = {"count": count, "passed": 0, "failed": 0, "slow": None}
        self._end = HEAD
        self.testing = ""
        """The test that is being done."""
        self._count()

    def test(self, passed: bool, said: str) -> None:
        self._counts["passed" if passed else "failed"] += 1
        self._count()
        if said and self._counts["failed"] <= TOLD:
            self.say(said=said)

    def slow(self, call: str | None) -> None:
        self._counts["slow"] = call and plain(call[:300])
        self._count()

    def say(self, **fields: str) -> None:
        line = json.dumps({name: plain(text[:LONG]) for name, text in fields.items()}).encode() + b"\n"
        self._end += os.pwrite(REPORT, line, self._end)

    def gone(self, call: str) -> NoReturn:
        """The solution answers no more; why is for others to say. No test may catch that: it's the end."""
        self.say(gone=f"{self.testing}: {call}" if self.testing else call)
        os._exit(0)

    def _count(self) -> None:
        os.pwrite(REPORT, json.dumps(self._counts).encode().ljust(HEAD - 1) + b"\n", 0)


class Raised(Exception):
    """What the solution raised, where it's no exception that Python has by itself."""


STAND_INS: dict[Any, type[Raised]] = {
    kind: type(kind.__name__, (Raised,), {})
    for kind in (StopIteration, StopAsyncIteration, GeneratorExit, SystemExit, KeyboardInterrupt)
}
"""What ends a loop of the tests, or the judge, where a solution raises it. Who expects it catches what stands in."""


class Remote:
    """A function of the solution."""

    last = ""
    """The last call of any, and what came of it."""

    def __init__(self, name: str, stream: Any, lines: Any, report: JudgeReport) -> None:
        self.name = name
        self._stream = stream
        self._lines = lines
        self._report = report

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        shown = [*map(short, arguments), *(f"{key}={short(one)}" for key, one in named.items())]
        call = f"{self.name}({', '.join(shown)})"
        Remote.last = f"{call} gave no answer"
        request = json.dumps([self.name, encode(list(arguments)), encode(named)]).encode() + b"\n"
        try:
            self._stream.sendall(request)
        except OSError:
            self._report.gone(call)
        slow = not select.select([self._stream], [], [], SLOW_S)[0]
        if slow:
            self._report.slow(call)  # in case there is no answer at all
        answer = answer_in(self._lines, self._report, call)
        if slow:
            self._report.slow(None)
        if "error" in answer:
            kind, message, where = answer["error"]
            Remote.last = f"{call} raised {kind}: {message}{where}"
            raise _exception(kind, message)
        result = decode(answer["returned"])
        Remote.last = f"{call} returned {short(result)}"
        return result


def answer_in(lines: Any, report: JudgeReport, call: str) -> Any:
    """The next of the solution's; where none comes, or not all of it, it's gone."""
    try:
        line = lines.readline()
    except OSError:
        line = b""
    return json.loads(line) if line.endswith(b"\n") else report.gone(call)


def _exception(kind: str, message: str) -> Exception:
    """Of the same class, or of the one that stands in for it, so that a test may expect it."""
    found: Any = getattr(builtins, str(kind), None)
    found = STAND_INS.get(found, found) if isinstance(found, type) else Raised
    if issubclass(found, Exception):
        with suppress(Exception):
            return found(message)
    return Raised(f"{kind}: {message}")


def expected(kinds: Any) -> tuple[Any, ...]:
    """What a handler of the tests catches."""
    each = cast("tuple[Any, ...]", kinds if isinstance(kinds, tuple) else (kinds,))
    return (*each, *(STAND_INS[kind] for kind in each if kind in STAND_INS))


class Handlers(ast.NodeTransformer):
    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        self.generic_visit(node)
        if node.type is not None:
            call = ast.Call(ast.Name("__expected__", ast.Load()), [node.type], [])
            node.type = ast.copy_location(call, node.type)
        return ast.fix_missing_locations(node)


class JudgedAsserts(Handlers):
    """Turns each assert into a call, so that one that fails doesn't end the others."""

    def __init__(self) -> None:
        self.count = 0

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        self.count += 1
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        check = ast.Call(
            ast.Name("__assert__", ast.Load()),
            [ast.Lambda(nothing, node.test), ast.Constant(ast.unparse(node)[:400])],
            [],
        )
        return ast.fix_missing_locations(ast.copy_location(ast.Expr(check), node))


def judge(setup: str, tests: str, entry_point: str) -> None:
    """The tests' end: reports how many there are, how many have passed, and what is to be told of the others."""
    stream = socket.socket(fileno=CHANNEL)
    lines = stream.makefile("rb")
    asserts = JudgedAsserts()
    tree = asserts.visit(ast.parse(tests, "tests.py"))
    report = JudgeReport(asserts.count)
    greeting = answer_in(lines, report, "before it was tested")
    if "error" in greeting:
        kind, message, where = greeting["error"]
        report.say(wrong=f"{kind}: {message}{where}")
        return

    def check(holds: Callable[[], Any], source: str) -> None:
        Remote.last = ""
        report.testing = source
        try:
            passed = bool(holds())
            said = f"{source}: {Remote.last}" if Remote.last else source
        except Exception as error:
            passed, said = False, f"{source}: {Remote.last or error}"
            if " returned " in Remote.last:
                said += f", and then {type(error).__name__}: {error}"
        report.testing = ""
        report.test(passed, "" if passed else said)

    def remote(name: str) -> Remote:
        return Remote(name, stream, lines, report)

    given: dict[str, Any] = {"__name__": "tests", "__assert__": check, "__expected__": expected}
    try:
        exec(compile(Handlers().visit(ast.parse(setup, "setup.py")), "setup.py", "exec"), given)  # noqa: S102
        for name in sorted(({entry_point} | _unknown(tree) - set(dir(builtins))) - {"", *given}):
            module = name in sys.stdlib_module_names and name != entry_point  # tests often lack their imports
            given[name] = importlib.import_module(name) if module else remote(name)
        # a reference of that name in the setup goes on calling itself; the tests call the solution
        space = {**given, entry_point: remote(entry_point)} if entry_point else given
        exec(compile(tree, "tests.py", "exec"), space)  # noqa: S102
        if (
            any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
            and entry_point
        ):
            space["check"](remote(entry_point))
        report.say(done="")
    except BaseException as error:
        report.say(wrong=f"the tests stopped: {Remote.last or ''} {type(error).__name__}: {error}")


def _unknown(tree: ast.AST) -> set[str]:
    """Names that the tests use and don't make."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.arg):
            made.add(node.arg)
    return {node.id for node in names if isinstance(node.ctx, ast.Load)} - made
