"""A suite of one's own: JSON lines or CSV with a question and its gold in each row."""

import csv
import io
from pathlib import Path

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest
from perpend.evals.places import read
from perpend.evals.problems import Problem
from perpend.types import Message, VerifierSpec
from perpend.verifiers import verifiers

_HINT = "`perpend eval init FILE` writes one to start from"


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns of CSV have the same names; an empty cell is as none at all."""

    question: str
    """All that the model gets to see."""
    gold: str
    verifier: str = "answer"
    id: str | None = None
    category: str | None = None
    date: str | None = None


EXAMPLES = (
    Row(question="A train leaves at 9:40 and arrives at 13:05. How many minutes does it take?", gold="205"),
    Row(
        question="Factor x^2 - 5x + 6. Put the answer within \\boxed{}.",
        gold="(x-2)(x-3)",
        verifier="math",
        category="algebra",
    ),
    Row(
        question="Which is the largest?\n\nA. 2/3\nB. 0.66\nC. 65 %\n\nEnd with one letter.",
        gold="A",
        verifier="choice",
        category="numbers",
    ),
    Row(
        question="Write the date of the 3rd of May 2024 in ISO 8601, and nothing else.",
        gold=r"2024-05-03",
        verifier="exact",
        category="formats",
        date="2024-05-03",
    ),
)
"""One for each of the verifiers that most questions need."""


def is_file(name: str) -> bool:
    return name.endswith((".jsonl", ".csv"))


def template(path: Path) -> None:
    """A file of examples to replace. Raises BadRequest where it's there already."""
    if not is_file(path.name):
        raise BadRequest(f"{path} is neither .jsonl nor .csv", field="FILE")
    rows = [msgspec.to_builtins(row) for row in EXAMPLES]
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, Row.__struct_fields__, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        written = text.getvalue()
    else:
        kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
        written = "".join(msgspec.json.encode(row).decode() + "\n" for row in kept)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(written)
    except FileExistsError:
        raise BadRequest(
            f"{path} is there already", hint=f"perpend eval check {path}", field="FILE"
        ) from None
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}", field="FILE") from None


def problems(path: Path) -> list[Problem]:
    """Raises BadRequest, naming the row and what is wrong with it."""
    found: list[Problem] = []
    for number, held in enumerate(read(path), 1):
        row = _row(held, f"{path}: row {number}")
        verifiers.get(row.verifier, field="verifier")
        found.append(
            Problem(
                id=row.id or str(number),
                messages=(Message("user", row.question),),
                verifier=VerifierSpec(row.verifier, row.gold),
                date=row.date,
                category=row.category,
            )
        )
    if not found:
        raise BadRequest(f"{path} holds no problems", hint=_HINT, field="SUITE")
    return found


def _row(held: dict[str, object], place: str) -> Row:
    kept = {name: value for name, value in held.items() if value not in ("", None)}
    try:
        row = msgspec.convert(kept, Row)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{place}: {error}", hint=_HINT, field="SUITE") from None
    return row
