"""House gates: file ≤ 500 lines, function ≤ 60, ≤ 8 parameters, folders ≤ 2 deep, one public class of a name, no circle
of modules.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

FORBIDDEN = (
    "pypi." + "org",
    "pythonhosted." + "org",
    "registry.npmjs." + "org",
    "deb.debian." + "org",
    "/work" + "/",
)

TWICE = {
    "Limits": "of a request, and of a program in the sandbox: each package's own public word",
}
"""Names that two public classes may have, and why."""


def twice(paths: list[Path]) -> list[str]:
    """Public classes of the package that share a name."""
    where: dict[str, list[Path]] = {}
    for path in paths:
        if path.suffix == ".py" and path.is_relative_to("src/perpend"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    where.setdefault(node.name, []).append(path)
    return [
        f"{' and '.join(map(str, found))} both have a class {name}"
        for name, found in where.items()
        if len(found) > 1 and name not in TWICE
    ]


def circles(paths: list[Path]) -> list[str]:
    """A circle of the package's modules that import each other, be it inside a function; one is told at a time."""
    modules = {
        ".".join(path.relative_to("src").with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
        if path.suffix == ".py" and path.is_relative_to("src")
    }
    graph = {name: {one for one in imported(path) if one in modules} for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [f"a circle of imports: {' < '.join(error.args[1])}"]
    return []


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:  # a module, or what is in one
                inner = Path("src", *node.module.split("."), alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def problems(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    found = [f"{path}: names {word}" for word in FORBIDDEN if word in text]
    if path.suffix != ".py":
        return found
    if (lines := text.count("\n")) > 500:
        found.append(f"{path}: {lines} lines")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += function_problems(path, node)
    if path.is_relative_to("src/perpend") and len(path.relative_to("src/perpend").parts) > 3:
        found.append(f"{path}: more than 2 folders deep")
    return found


def function_problems(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    found: list[str] = []
    doc = node.body[0] if ast.get_docstring(node) else None
    doc_lines = (doc.end_lineno or doc.lineno) - doc.lineno + 1 if doc else 0
    lines = (node.end_lineno or node.lineno) - node.lineno + 1 - doc_lines
    if lines > 60:
        found.append(f"{path}:{node.lineno}: {node.name} has {lines} lines")
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    count = len([a for a in given if a.arg not in ("self", "cls")])
    if count > 8:
        found.append(f"{path}:{node.lineno}: {node.name} has {count} parameters")
    return found


def main() -> None:
    tracked = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.split()
    files = [Path(name) for name in tracked if Path(name).is_file()]
    found = [problem for path in files if path.suffix != ".lock" for problem in problems(path)]
    found += twice(files) + circles(files)
    print("\n".join(found) or f"gates: {len(files)} files hold")
    sys.exit(bool(found))


main()
