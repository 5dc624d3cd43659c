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
import reprlib
import select
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NoReturn, cast

CHANNEL, REPORT = 3, 4
NAME = "solution.py"
MOST = 100_000
"""Items of an iterator that are sent."""
SLOW_S = 1.0
TOLD = 20
"""Failures that are told; the others are counted."""
SHOWN = reprlib.Repr()
SHOWN.maxstring = SHOWN.maxother = 160
SHOWN.maxlist = SHOWN.maxtuple = SHOWN.maxset = SHOWN.maxdict = 12


def short(value: object) -> str:
    try:
        return SHOWN.repr(value)
    except Exception:  # such as a number of too many digits
        return f"some {type(value).__name__}"


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


def told(error: BaseException) -> list[str]:
    """Kind, message, and the last line of the solution that it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == NAME]
    where = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    if isinstance(error, SyntaxError) and error.filename == NAME:
        where = f" (line {error.lineno}: {(error.text or '').strip()})"
    return [type(error).__name__, str(error)[:500], where]


def serve(code: str) -> None:
    """The solution's end: defines it, then answers calls until the judge is gone."""
    stream = open(CHANNEL, "r+b", buffering=0)  # noqa: SIM115 -- for as long as the process lives
    lines = open(CHANNEL, "rb", closefd=False)  # noqa: SIM115
    space: dict[str, Any] = {"__name__": "solution"}  # what is under `if __name__ == "__main__"` isn't run
    linecache.cache[NAME] = (len(code), None, code.splitlines(keepends=True), NAME)

    def say(answer: Any) -> None:
        data = json.dumps(answer).encode() + b"\n"
        while data:
            data = data[stream.write(data) :]

    try:
        exec(compile(code, NAME, "exec"), space)  # noqa: S102 -- what a sandbox is for
        say({"defined": True})
    except BaseException as error:
        say({"error": told(error)})
    for line in lines:
        name, arguments, named = json.loads(line)
        try:
            result = space[name](*decode(arguments), **decode(named))
            answer = {"returned": encode(result)}
        except BaseException as error:
            answer = {"error": told(error)}
        say(answer)


class Raised(Exception):
    """What the solution raised, where it's no exception that Python has by itself."""


class Gone(BaseException):
    """The solution answers no more. Not an Exception, since a test may expect one; why is for others to say."""


class Remote:
    """A function of the solution."""

    last = ""
    """The last call of any, and what came of it."""

    def __init__(self, name: str, stream: Any, lines: Any, report: Callable[..., None]) -> None:
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
            if not select.select([self._stream], [], [], SLOW_S)[0]:
                self._report(slow=call)  # in case there is no answer at all
            answer = answer_in(self._lines)
        except (OSError, Gone):
            raise Gone(call) from None
        if "error" in answer:
            kind, message, where = answer["error"]
            Remote.last = f"{call} raised {kind}: {message}{where}"
            raise _exception(kind, message)
        result = decode(answer["returned"])
        Remote.last = f"{call} returned {short(result)}"
        return result


def answer_in(lines: Any) -> Any:
    """The next of the solution's. Raises Gone where none comes, or not all of it."""
    line = lines.readline()
    if not line.endswith(b"\n"):
        raise Gone
    return json.loads(line)


def _exception(kind: str, message: str) -> Exception:
    """Of the same class, so that a test may expect it."""
    found = getattr(builtins, str(kind), None)
    if isinstance(found, type) and issubclass(found, Exception):
        try:
            return found(message)
        except Exception:
            return Raised(f"{kind}: {message}")
    return Raised(f"{kind}: {message}")


class Asserts(ast.NodeTransformer):
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
    """The tests' end: reports a line of JSON for the number of tests, then one for each."""
    report = open(REPORT, "wb", buffering=0)  # noqa: SIM115 -- for as long as the process lives
    stream = socket.socket(fileno=CHANNEL)
    lines = stream.makefile("rb")

    def say(**fields: Any) -> None:
        report.write(json.dumps(fields).encode() + b"\n")

    tree = ast.parse(tests, "tests.py")
    asserts = Asserts()
    tree = asserts.visit(tree)
    say(count=asserts.count)
    try:
        greeting = answer_in(lines)
    except (OSError, Gone):
        say(gone="before it was tested")
        return
    if "error" in greeting:
        kind, message, where = greeting["error"]
        say(wrong=f"{kind}: {message}{where}")
        return

    failures = 0

    def check(holds: Callable[[], Any], source: str) -> None:
        nonlocal failures
        Remote.last = ""
        try:
            passed = bool(holds())
            said = "" if passed else f"{source}: {Remote.last}" if Remote.last else source
        except Gone as gone:
            say(gone=f"{source}: {gone}")
            raise
        except Exception as error:
            passed, said = False, f"{source}: {Remote.last or error}"
            if " returned " in Remote.last:
                said += f", and then {type(error).__name__}: {error}"
        failures += not passed
        say(passed=passed, **({"said": said} if said and failures <= TOLD else {}))

    given: dict[str, Any] = {"__name__": "tests", "__assert__": check}
    try:
        exec(compile(setup, "setup.py", "exec"), given)  # noqa: S102
        for name in sorted(({entry_point} | _unknown(tree) - set(dir(builtins))) - {"", *given}):
            module = name in sys.stdlib_module_names and name != entry_point  # tests often lack their imports
            given[name] = importlib.import_module(name) if module else Remote(name, stream, lines, say)
        # a reference of that name in the setup goes on calling itself; the tests call the solution
        space = {**given, entry_point: Remote(entry_point, stream, lines, say)} if entry_point else given
        exec(compile(tree, "tests.py", "exec"), space)  # noqa: S102
        if (
            any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
            and entry_point
        ):
            space["check"](Remote(entry_point, stream, lines, say))
        say(done=True)
    except Gone as gone:
        say(gone=str(gone))
    except BaseException as error:
        say(wrong=f"the tests stopped: {Remote.last or ''} {type(error).__name__}: {error}")


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
