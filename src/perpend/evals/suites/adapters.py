"""Adapters: make a question, a gold and, where it differs, a verifier from a row of a data set. Models see the
question.

An adapter returns None for a row that is no problem of its suite, such as one that needs a picture. It raises KeyError,
TypeError or ValueError for a row of another form.
"""

import ast
import base64
import hashlib
import io
import json
import pickle
import random
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from string import ascii_uppercase
from typing import Any, NamedTuple, cast

from perpend.verifiers.math_text import boxed as boxes

Row = Mapping[str, Any]


class Adapted(NamedTuple):
    question: str
    gold: str
    verifier: str | None = None
    """In place of the suite's."""
    solution: str | None = None
    """A worked solution, or a right answer where the gold isn't one."""


def as_is(row: Row) -> Adapted:
    """Question and gold, unchanged."""
    return Adapted(str(row["question"]), _text(row["gold"]))


def _text(gold: object) -> str:
    return f"{gold:g}" if isinstance(gold, float) and gold.is_integer() else str(gold)


def worked(row: Row) -> Adapted:
    """As `as_is`, with the column `solution` where there is one."""
    return as_is(row)._replace(solution=row.get("solution"))


def after_hashes(row: Row) -> Adapted:
    """GSM8K: the answer follows the solution."""
    gold = row["gold"].rpartition("####")[2].strip().replace(",", "")
    return Adapted(row["question"], gold, solution=row["gold"])


def olympiad(row: Row) -> Adapted:
    """OlympiadBench: several answers become one list, without dollar signs and with a space after each comma."""
    gold = row["gold"] if isinstance(row["gold"], str) else ", ".join(row["gold"])
    if row["is_multiple_answer"]:
        gold = re.sub(r",\s*(?![^(\[{]*[)\]}])", ", ", gold.replace("$", ""))
    return Adapted(row["question"], gold)


def boxed(row: Row) -> Adapted | None:
    r"""MATH: the gold is the content of a solution's last \boxed."""
    found = boxes(row["gold"])
    return Adapted(row["question"], found[-1]) if found else None


def choices(row: Row) -> Adapted:
    """Multiple choice: the gold is a letter, or the right choice's index from 0."""
    gold = row["gold"]
    return Adapted(
        _lettered(row["question"], list(row["choices"])),
        gold if isinstance(gold, str) else ascii_uppercase[gold],
    )


def _lettered(question: str, texts: list[str]) -> str:
    lines = [f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, texts, strict=False)]
    return "\n".join([question, "", *lines])


def gpqa(row: Row) -> Adapted:
    """GPQA: the order of choices is seeded by the question, so that it's the same in every run."""
    right = row["gold"].strip()
    texts = [right, *(row[f"Incorrect Answer {n}"].strip() for n in (1, 2, 3))]
    random.Random(row["question"]).shuffle(texts)
    return Adapted(_lettered(row["question"].strip(), texts), ascii_uppercase[texts.index(right)])


def bbh(row: Row) -> Adapted:
    """BIG-Bench Hard: choices from A to J have the choice verifier; other golds are compared as text."""
    gold = row["gold"]
    return Adapted(row["question"], gold, "choice" if re.fullmatch(r"\([A-J]\)", gold) else None)


def theoremqa(row: Row) -> Adapted | None:
    """TheoremQA: without problems that have a picture."""
    if row.get("picture") is not None:
        return None
    wordy = row["answer_type"] in ("bool", "option")
    return Adapted(row["question"], str(row["gold"]), "answer" if wordy else None)


def arc(row: Row) -> Adapted:
    """ARC: grids as JSON; the answer is one grid, or a list of them where there are several tests."""
    task: Any = row.get("question", row)
    tests: list[Any] = [test["input"] if isinstance(test, dict) else test for test in task["test"]]
    golds: list[Any] = row["gold"] if "gold" in row else [test["output"] for test in task["test"]]
    shown = [f"Input: {_grid(pair['input'])}\nOutput: {_grid(pair['output'])}" for pair in task["train"]]
    inputs = [f"Input: {_grid(grid)}" for grid in tests]
    wanted = "the output grid" if len(tests) == 1 else f"a list of the {len(tests)} output grids"
    question = (
        "Each output is made from its input by one rule. Cells are colours, 0 to 9.\n\n"
        + "\n\n".join([*shown, *inputs])
        + f"\n\nFind the rule, and end with {wanted} as JSON."
    )
    return Adapted(question, _grid(golds[0] if len(golds) == 1 else golds))


def _grid(grid: object) -> str:
    return json.dumps(grid, separators=(",", ":"))


def cruxeval(row: Row) -> Adapted:
    """CRUXEval: predict what a function returns."""
    question = (
        f"{row['question']}\n\nWhat does f({row['input']}) return? Think step by step, "
        "then end with the returned value alone, as a Python literal, on the last line."
    )
    return Adapted(question, row["gold"])


def game24(row: Row) -> Adapted | None:
    """Game of 24: ranks 901 to 1000, as Tree of Thoughts uses them (Yao et al. 2023, arXiv:2305.10601)."""
    if not 901 <= int(row["rank"]) <= 1000:
        return None
    numbers = [int(number) for number in str(row["question"]).split()]
    question = (
        f"Use each of the numbers {', '.join(map(str, numbers))} exactly once, with + - * / and brackets, "
        "to make 24. End with the expression alone on the last line."
    )
    return Adapted(question, json.dumps({"numbers": numbers, "target": 24}))


def humaneval(row: Row) -> Adapted:
    """HumanEval (Chen et al. 2021, arXiv:2107.03374)."""
    gold = {"test": row["test"], "entry_point": row["entry_point"]}
    return Adapted(_complete(row["question"]), json.dumps(gold), solution=row["question"] + row["gold"])


def _complete(code: str) -> str:
    return f"Complete this Python program:\n\n```python\n{code.strip()}\n```"


_LIKE_REFERENCE = """
def _alike(one, other):
    if isinstance(other, float):
        close = isinstance(one, (int, float)) and _math.isclose(one, other, rel_tol=1e-6, abs_tol={atol!r})
        return close or one == other or (one != one and other != other)
    if isinstance(other, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(_alike, one, other))
    if not isinstance(other, (int, str, complex, list, tuple, set, frozenset, dict, type(None))):
        return bool(one) == bool(other)  # such as a match of a pattern
    return one == other


def check(candidate):
    for _input in _inputs:
        try:
            _expected = _reference(*_copy.deepcopy(_input))
        except Exception:
            continue  # it isn't an input of this function
        assert _alike(candidate(*_copy.deepcopy(_input)), _expected), _input
"""


def evalplus(row: Row) -> Adapted:
    """EvalPlus (Liu et al. 2023, arXiv:2305.01210): the reference's outputs are the expected ones, and inputs get the
    types that the assertions show.
    """
    solution = row["question"] + row["gold"]
    assertions = row.get("assertion", "")
    example = _arguments(assertions, row["entry_point"])
    plus_inputs = row["plus_input"] or ()  # one row has an empty object
    inputs = [
        _as_python(value, example) for value in (*(() if assertions else row["base_input"]), *plus_inputs)
    ]
    setup = [
        "import copy as _copy, math as _math",
        "from math import inf, nan",
        solution,
        f"_reference = {row['entry_point']}",
        f"_inputs = {inputs!r}",
    ]
    gold = {
        "setup": "\n".join(setup),
        "test": assertions + _LIKE_REFERENCE.format(atol=row["atol"]),
        "entry_point": row["entry_point"],
    }
    return Adapted(_complete(row["question"]), json.dumps(gold), solution=solution)


def _arguments(assertions: str, name: str) -> list[Any]:
    """The arguments of the first call of `name` that has literals alone."""
    for node in ast.walk(ast.parse(assertions)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            with suppress(ValueError):
                return [ast.literal_eval(argument) for argument in node.args]
    return []


def _as_python(value: Any, example: Any) -> Any:
    """Convert a JSON value to the types of the example: tuples, sets and complex numbers."""
    if isinstance(example, complex) and isinstance(value, str):
        return complex(value)
    if not isinstance(value, list):
        return value
    examples: list[Any] = (
        list(cast("Sequence[Any]", example)) if isinstance(example, list | tuple | set) else []
    )
    values = cast("list[Any]", value)
    items = [
        _as_python(item, examples[min(index, len(examples) - 1)] if examples else None)
        for index, item in enumerate(values)
    ]
    if isinstance(example, set):
        return set(items)
    return tuple(items) if isinstance(example, tuple) else items


def mbpp(row: Row) -> Adapted:
    """MBPP: the question shows one assertion, since it has the function's name."""
    tests = list(row["test_list"])
    named = [name for name in re.findall(r"^def (\w+)", row["gold"], re.MULTILINE) if name in tests[0]]
    gold = {
        "setup": "\n".join(row["test_imports"]),
        "test": "\n".join(tests),
        "entry_point": named[0] if named else "",  # one is called sum
    }
    question = f"{row['question']}\n\nIt must pass:\n\n```python\n{tests[0]}\n```"
    return Adapted(question, json.dumps(gold), solution=row["gold"])


def livecodebench(row: Row) -> Adapted | None:
    """LiveCodeBench: problems with stdin and stdout; those that ask for a class's method are left out."""
    public = row["public_test_cases"]
    tests = json.loads(public) if isinstance(public, str) else [_sample(test) for test in public]
    if hidden := row.get("private_test_cases"):
        tests += _unpack_tests(hidden)
    if not tests or any(test.get("testtype", "stdin") != "stdin" for test in tests):
        return None
    return Adapted(row["question"], _examples(tests))


def _examples(tests: Sequence[Mapping[str, str]]) -> str:
    return json.dumps([{"stdin": test["input"], "stdout": test["output"]} for test in tests])


def _sample(pair: tuple[str, str]) -> dict[str, str]:
    return {"input": pair[0], "output": pair[1]}


class _TextOnly(pickle.Unpickler):
    """Loads LiveCodeBench's tests, a pickled text, and refuses every class."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Raises UnpicklingError for any class."""
        raise pickle.UnpicklingError(f"{module}.{name} in what should be a text")


def _unpack_tests(packed: str) -> list[dict[str, str]]:
    if packed.lstrip().startswith("["):
        return json.loads(packed)
    return json.loads(_TextOnly(io.BytesIO(zlib.decompress(base64.b64decode(packed)))).load())


def codeforces(row: Row) -> Adapted | None:
    """Codeforces: problems with official tests and a single right output."""
    if row.get("generated_checker") or row.get("interaction_format") or not row.get("official_tests"):
        return None
    parts = [row["question"], row.get("input_format"), row.get("output_format")]
    return Adapted("\n\n".join(part for part in parts if part), _examples(row["official_tests"]))


def browsecomp(row: Row) -> Adapted:
    """BrowseComp: question and gold are encrypted with the row's `canary`, which keeps them from crawlers."""
    return Adapted(_decrypt(row["question"], row["canary"]), _decrypt(row["gold"], row["canary"]))


def _decrypt(text: str, password: str) -> str:
    encrypted = base64.b64decode(text)
    key = hashlib.sha256(password.encode()).digest()
    return bytes(byte ^ key[index % len(key)] for index, byte in enumerate(encrypted)).decode()


def hle(row: Row) -> Adapted | None:
    """Humanity's Last Exam: without problems that have an image."""
    if row.get("image"):
        return None
    return Adapted(row["question"], row["gold"], "choice" if row["answer_type"] == "multipleChoice" else None)


def gaia(row: Row) -> Adapted | None:
    """GAIA: without problems that have a file."""
    return None if row.get("file_name") else as_is(row)


ADAPTERS: dict[str, Callable[[Row], Adapted | None]] = {
    adapter.__name__: adapter
    for adapter in (
        *(
            as_is,
            worked,
            after_hashes,
            olympiad,
            boxed,
            choices,
            gpqa,
            bbh,
            theoremqa,
            arc,
            cruxeval,
            game24,
            humaneval,
        ),
        *(evalplus, mbpp, livecodebench, codeforces, browsecomp, hle, gaia),
    )
}
