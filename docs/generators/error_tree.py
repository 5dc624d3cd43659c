"""The errors, from the tree in errors.py and its classes."""

import inspect

from generators.markdown import NOTE

from perpend import errors


def error_tree() -> str:
    """The tree of errors.py, and a row for each class."""
    doc = inspect.cleandoc(errors.__doc__ or "")
    tree = "\n".join(line.removeprefix("    ") for line in doc.splitlines() if line.startswith("    "))
    rows = [
        f"| `{kind.code}` | {kind.status} | `{kind.__name__}` |"
        for kind in sorted(_below(errors.PerpendError), key=lambda kind: (kind.status, kind.code))
    ]
    intro = (
        "Every error that is raised on purpose says what happened (`message`), what to do about it (`hint`), and\n"
        "where one input is at fault, which (`field`). The gateway answers with the status and the dialect's own\n"
        "body; the command line prints message and hint, and exits with status 1. Where they name addresses, paths\n"
        "or what a log says, the gateway's clients read other words, and its log has them all.\n"
    )
    table = "| code | HTTP status | class |\n|---|---|---|\n" + "\n".join(rows)
    return f"# Errors\n\n{NOTE}{intro}\n```text\n{tree}\n```\n\n{table}\n"


def _below(kind: type[errors.PerpendError]) -> list[type[errors.PerpendError]]:
    return [kind, *(one for sub in kind.__subclasses__() for one in _below(sub))]
