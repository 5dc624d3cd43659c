"""What packages that extend Perpend import, from docstrings and signatures."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from generators.markdown import NOTE, attribute_docs, code, named_type, prose, table
from msgspec import Struct, structs

FACE = {
    "perpend.strategies.contract": ("strategies", "Session", "Step", "Feedback"),
    "perpend.verifiers.contract": ("verifiers", "Verifier", "Task", "AuxiliaryModel"),
    "perpend.registry": ("Registry",),
    "perpend.sandbox": ("Sandbox", "Limits", "Outcome"),
    "perpend.config": ("load_config",),
    "perpend.runtime": ("Runtime",),
    "perpend.types": (
        *("Request", "Message", "Limits", "Sampling", "StrategySpec", "VerifierSpec"),
        *("Answer", "Candidate", "Verdict", "Usage", "Plan", "BudgetReport", "SummaryReport"),
    ),
}
WIDTH = 100


def python() -> str:
    intro = (
        "What a strategy, a verifier or a program of your own imports. The command line and the HTTP API are what\n"
        "Perpend promises; of its modules, only what is on this page is meant for others. Errors have\n"
        "[a page of their own](errors.md).\n"
    )
    return f"# Python\n\n{NOTE}{intro}\n" + "\n".join(_module(name, names) for name, names in FACE.items())


def _module(name: str, names: tuple[str, ...]) -> str:
    module = importlib.import_module(name)
    shown = "\n".join(_member(module, one) for one in names)
    return f"## {name}\n\n{prose(module.__doc__)}\n\n{shown}"


def _member(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    if inspect.isclass(value):
        return _class(value, module.__name__)
    if inspect.isfunction(value):
        return f"### {name}\n\n{_signature(value)}\n{prose(value.__doc__)}\n"
    return f'### {name}\n\nA [Registry](#registry): `@{name}.register("NAME")`.\n'


def _class(owner: type, module: str) -> str:
    twin = "" if module != "perpend.types" or owner.__name__ != "Limits" else " of a request"
    parts = [f"### {owner.__name__}{twin}\n", prose(_own_doc(owner)) + "\n"]
    if rows := list(_fields(owner)):
        parts.append(table(("field", "type", "default", ""), rows))
    parts += _methods(owner)
    return "\n".join(part for part in parts if part.strip())


def _own_doc(owner: type) -> str:
    return owner.__dict__.get("__doc__") or ""


def _fields(owner: type) -> Iterator[tuple[str, str, str, str]]:
    told, defaults = attribute_docs(owner), _defaults(owner)
    for name, shape in inspect.get_annotations(owner).items():
        if not name.startswith("_"):
            yield code(name), code(named_type(shape)), defaults.get(name, ""), told.get(name, "")


def _defaults(owner: type) -> dict[str, str]:
    """Those that a reader would set: numbers and texts."""
    if issubclass(owner, Struct):
        fields = structs.fields(owner)
        return {one.name: "required" if one.required else _shown(one.default) for one in fields}
    held: dict[str, Any] = owner.__dict__.get("_field_defaults") or dict(owner.__dict__)
    return {name: _shown(value) for name, value in held.items()}


def _shown(default: Any) -> str:
    return code(repr(default)) if isinstance(default, int | float | str) and default != "" else ""


def _methods(owner: type) -> Iterator[str]:
    for name, held in vars(owner).items():
        method: Any = held.fget if isinstance(held, property) else getattr(held, "__func__", held)
        if not name.startswith("_") and inspect.isfunction(method):
            yield f"#### {owner.__name__}.{name}\n\n{_signature(method)}\n{prose(method.__doc__)}\n"


def _signature(function: Callable[..., Any]) -> str:
    """As it is written; of a property its type."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    if node.decorator_list and ast.unparse(node.decorator_list[0]) == "property":
        text = f"{node.name}: {ast.unparse(node.returns) if node.returns else 'Any'}"
    else:
        node.decorator_list, node.body = [], [ast.Pass()]
        text = ast.unparse(node).removesuffix(":\n    pass")
    lines = textwrap.wrap(
        text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return "```python\n" + "\n".join(lines) + "\n```\n"
