"""What somebody else wrote may be nested as deep as they like: it is as what can't be read, wherever it is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perpend.backends.message_parts import arguments
from perpend.cli.named import named
from perpend.errors import BadRequest, Rejected, VerifierFailed
from perpend.evals.interop.foreign import decode
from perpend.evals.runs.rows import read_rows
from perpend.families.tool_call_parser import ToolCallParser
from perpend.families.tool_markup import CLOSE, OPEN
from perpend.families.untagged_calls import UntaggedCallParser
from perpend.serving.dialects.anthropic_answer import tool_input
from perpend.transport.failures import refusal
from perpend.transport.ndjson import json_objects
from perpend.types import Tool, ToolUse
from perpend.types.stop_reason import answer_end
from perpend.verifiers import external_protocol

LISTS = "[" * 50_000 + "]" * 50_000
DEEP = f'{{"a": {LISTS}}}'


def test_a_calls_arguments() -> None:
    use = ToolUse("1", "f", DEEP)
    assert bytes(arguments(use)) == bytes(tool_input(DEEP))
    assert answer_end("thinking_tokens", (use,)) == "cut"


def test_a_call_that_is_written_in_the_text() -> None:
    parser, written = ToolCallParser(), UntaggedCallParser([Tool(name="f")])
    text = f'{{"name": "f", "arguments": {DEEP}}}'
    assert parser.feed(f"{OPEN}[{LISTS}]{CLOSE}") == [f"{OPEN}[{LISTS}]{CLOSE}"]
    assert "".join(str(piece) for piece in written.feed(text, last=True)) == text


def test_an_answer_of_a_server() -> None:
    assert json_objects(LISTS.encode()) == [LISTS.encode()]
    assert isinstance(refusal("x", DEEP.encode(), status=400), Rejected)
    with pytest.raises(VerifierFailed):
        external_protocol.parse_verdict("mine", DEEP.encode())


def by_name(file: Path) -> object:
    return named(file.read_text(), "--strategy")


def by_another_harness(file: Path) -> object:
    return decode(file.read_bytes(), dict[str, Any], "file")


@pytest.mark.parametrize(
    "read",
    [
        by_name,
        by_another_harness,
        read_rows,
    ],
)
def test_a_file_or_an_option(read: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(DEEP)
    with pytest.raises(BadRequest, match=r"recursion|nested|deep"):
        read(file)
