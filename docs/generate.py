"""Writes the generated pages: `python docs/generate.py`; with `--check`, fails where one is behind its source."""

import difflib
import sys
from pathlib import Path

from generators import cli, config, decisions, error_tree, http, plugins, project, python, rows

DOCS = Path(__file__).parent
PAGES = {
    "reference/cli.md": cli.cli,
    "reference/config.md": config.config,
    "reference/http.md": http.endpoints,
    "reference/http-objects.md": http.objects,
    "reference/strategies.md": plugins.strategies_page,
    "reference/verifiers.md": plugins.verifiers_page,
    "reference/providers.md": rows.providers_page,
    "reference/families.md": rows.families_page,
    "reference/errors.md": error_tree.error_tree,
    "reference/python.md": python.python,
    "decisions/index.md": decisions.decisions,
    **{f"project/{name}": page for name, page in project.PAGES.items()},
}


def main(arguments: list[str]) -> int:
    old = False
    for name, page in PAGES.items():
        file, text = DOCS / name, page()
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        if arguments == ["--check"] and before != text:
            old = True
            lines = difflib.unified_diff(
                before.splitlines(), text.splitlines(), str(file), "generated", "", "", 1
            )
            print("\n".join(lines))
        elif before != text:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    if old:
        print("docs/ is behind what it is generated from: run `python docs/generate.py`", file=sys.stderr)
    return int(old)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
