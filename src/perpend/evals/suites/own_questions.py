"""Suites of the user's own: JSON lines or CSV with a question, a gold and a verifier in each row."""

import base64
import csv
import io
import mimetypes
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, BadRequest
from perpend.evals.problems import Problem
from perpend.evals.suites.sources import numbered
from perpend.registry import choices_hint
from perpend.types import Image, Message, Part, Text, Tool
from perpend.verifiers import verifier_spec, verifiers

_HINT = "`perpend eval init FILE` writes one to start from"


class Turn(Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: str


class QuestionRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row. CSV has the same columns; an empty cell is a missing one, and values other than text are JSON."""

    question: str | None = None
    """The whole prompt, unless there are `system`, `messages` or `images`."""
    gold: str | None = None
    verifier: str | dict[str, Any] = "answer"
    """A name, or an object with its name and options, such as a judge with a rubric."""
    system: str | None = None
    messages: tuple[Turn, ...] = ()
    """A conversation, in place of the question."""
    images: tuple[str, ...] = ()
    """Images before the question: URLs, or paths relative to this file."""
    tools: tuple[dict[str, Any], ...] = ()
    """Functions in OpenAI's form. An answer that calls them is checked as JSON: a list of names and arguments."""
    id: str | None = None
    category: str | None = None
    date: str | None = None


NAMES = {
    "prompt": "question",
    "input": "question",
    "problem": "question",
    "answer": "gold",
    "target": "gold",
    "expected": "gold",
}
"""Other common names of the columns."""
_JSON = ("verifier", "messages", "images", "tools")

EXAMPLES = (
    QuestionRow(
        question="A train leaves at 9:40 and arrives at 13:05. How many minutes does it take?", gold="205"
    ),
    QuestionRow(
        question="Factor x^2 - 5x + 6. Put the answer within \\boxed{}.",
        gold="(x-2)(x-3)",
        verifier="math",
        category="algebra",
    ),
    QuestionRow(
        question="Which is the largest?\n\nA. 2/3\nB. 0.66\nC. 65 %\n\nEnd with one letter.",
        gold="A",
        verifier="choice",
        category="numbers",
    ),
    QuestionRow(
        question="Write the date of the 3rd of May 2024 in ISO 8601, and nothing else.",
        gold=r"2024-05-03",
        verifier="exact",
        category="formats",
        date="2024-05-03",
    ),
)
"""One for each common verifier."""


def is_file(name: str) -> bool:
    """Whether a suite's name is that of a file."""
    return name.endswith((".jsonl", ".csv"))


def template(path: Path) -> None:
    """Write a file of examples. Raises BadRequest where it's there already or can't be written."""
    if not is_file(path.name):
        raise BadRequest(f"{path} is neither .jsonl nor .csv", field="FILE")
    rows = [{name: value for name, value in msgspec.to_builtins(row).items() if value} for row in EXAMPLES]
    if path.suffix == ".csv":
        text = io.StringIO()
        columns = [name for name in QuestionRow.__struct_fields__ if any(name in row for row in rows)]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue()
    else:
        content = "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        raise BadRequest(
            f"{path} is there already", hint=f"perpend eval check {path}", field="FILE"
        ) from None
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}", field="FILE") from None


def problems(path: Path) -> list[Problem]:
    """Read a file's problems. Raises BadRequest, which names the row and what is wrong with it."""
    result: list[Problem] = []
    lines: dict[str, int] = {}
    for number, (line, cells) in enumerate(numbered(path), 1):
        problem = _problem(_row(cells, f"{path}: row {number}"), number, path)
        if (first := lines.setdefault(problem.id, line)) != line:
            message = f"{path}: lines {first} and {line} have the same id, {problem.id!r}"
            hint = "give each its own; a row without one has its number"
            raise BadRequest(message, hint=hint, field="SUITE")
        result.append(problem)
    if not result:
        raise BadRequest(f"{path} holds no problems", hint=_HINT, field="SUITE")
    return result


def _row(cells: dict[str, object], location: str) -> QuestionRow:
    fields: dict[str, object] = {}
    for column, value in cells.items():
        name = NAMES.get(column, column)
        if value in ("", None):
            continue
        if name not in QuestionRow.__struct_fields__:
            hint = choices_hint(column, [*QuestionRow.__struct_fields__, *NAMES])
            raise BadRequest(f"{location}: unknown column `{column}`", hint=hint, field="SUITE")
        if name in fields:
            raise BadRequest(f"{location}: `{column}` says what `{name}` says already", field="SUITE")
        fields[name] = _decode_cell(value) if name in _JSON else value
    try:
        row = msgspec.convert(fields, QuestionRow)
        msgspec.json.encode(row)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # half a surrogate pair can't be sent
        raise BadRequest(f"{location}: {error}", hint=_HINT, field="SUITE") from None
    if (row.question is None) == (not row.messages):
        raise BadRequest(f"{location}: it has to have `question`, or `messages`", hint=_HINT, field="SUITE")
    return row


def _decode_cell(value: object) -> object:
    """Decode a CSV cell that holds JSON; other values are kept."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            return msgspec.json.decode(value)
        except UNREADABLE:
            return value
    return value


def _problem(row: QuestionRow, number: int, file: Path) -> Problem:
    location = f"{file}: row {number}"
    try:
        spec = verifier_spec(row.verifier)
        tools = tuple(_tool(tool) for tool in row.tools)
    except BadRequest as error:
        raise BadRequest(f"{location}: {error.message}", hint=error.hint, field="SUITE") from None
    except msgspec.ValidationError as error:
        raise BadRequest(f"{location}: tools: {error}", field="SUITE") from None
    if row.gold is not None:
        spec = msgspec.structs.replace(spec, gold=row.gold)
    verifier = (
        verifiers.get(spec.name) if spec.name in verifiers.names() else None
    )  # else perpend.toml may have it
    if spec.gold is None and getattr(verifier, "needs_gold", False):
        hint = "the right answer, or a verifier that needs none, such as a judge with a rubric"
        raise BadRequest(f"{location}: `{spec.name}` needs a `gold`", hint=hint, field="SUITE")
    return Problem(
        id=row.id or str(number),
        messages=_messages(row, file, location),
        verifier=spec,
        tools=tools,
        date=row.date,
        category=row.category,
    )


def _messages(row: QuestionRow, file: Path, location: str) -> tuple[Message, ...]:
    system = () if row.system is None else (Message("system", row.system),)
    if row.question is None:
        return system + tuple(Message(turn.role, turn.content) for turn in row.messages)
    if not row.images:
        return (*system, Message("user", row.question))
    parts: tuple[Part, ...] = (*(_image(image, file, location) for image in row.images), Text(row.question))
    return (*system, Message("user", parts))


def _image(reference: str, file: Path, location: str) -> Image:
    if reference.startswith(("http://", "https://", "data:")):
        return Image(reference)
    path = file.parent / reference
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except (OSError, ValueError) as error:  # a name with a null character is no name
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadRequest(f"{location}: {path}: {reason}", field="SUITE") from None
    return Image(f"data:{mimetypes.guess_type(path.name)[0] or 'image/png'};base64,{data}")


def _tool(function: dict[str, Any]) -> Tool:
    return msgspec.convert(function.get("function", function), Tool)
