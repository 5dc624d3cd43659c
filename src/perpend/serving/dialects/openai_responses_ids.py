"""Ids of items: each names its response and its place in it."""

import re
from typing import Any, NamedTuple

import msgspec

from perpend.serving.dialects.openai_responses_schema import InputItem

_PREFIXES = {
    "message": "msg",
    "compaction": "cmp",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
_ID = re.compile(r"[a-z]+_([0-9a-f]{24})_(in)?\d{1,6}")


class ItemLocation(NamedTuple):
    """Where an item is stored."""

    response_id: str
    in_input: bool
    """Whether the item is in the response's input; else it is in its output."""


def item_id(kind: str, response_id: str, at: int, *, in_input: bool = False) -> str:
    """The id of item number `at` of a response's output, or of its input."""
    prefix = _PREFIXES.get(kind, "item")
    return f"{prefix}_{response_id.removeprefix('resp_')}_{'in' if in_input else ''}{at}"


def item_location(id_: str) -> ItemLocation | None:
    """Which response an item's id names; None for an id of another form."""
    match = _ID.fullmatch(id_)
    return ItemLocation(f"resp_{match[1]}", match[2] is not None) if match else None


def items_of(input_: str | list[InputItem] | None) -> list[InputItem]:
    """The input as a list of items; a string is a user's message."""
    return [InputItem(role="user", content=input_)] if isinstance(input_, str) else input_ or []


def item_bodies(items: list[InputItem], response_id: str) -> list[dict[str, Any]]:
    """The bodies of a request's input items. An item keeps the id that Perpend gave it earlier."""
    return [
        _item_body(
            item, item.id if item.id and item_location(item.id) else _input_item_id(item, response_id, at)
        )
        for at, item in enumerate(items)
    ]


def _input_item_id(item: InputItem, response_id: str, at: int) -> str:
    return item_id(item.type, response_id, at, in_input=True)


def _item_body(item: InputItem, id_: str) -> dict[str, Any]:
    fields = _without_nulls(msgspec.to_builtins(item)) | {"id": id_, "type": item.type}
    if item.type == "message":
        fields["status"] = "completed"
        if isinstance(item.content, str):
            kind = "output_text" if item.role == "assistant" else "input_text"
            fields["content"] = [{"type": kind, "text": item.content}]
    content: list[dict[str, Any]] | str = fields.get("content", [])
    for part in content if isinstance(content, list) else []:
        if part["type"] == "output_text":
            part.setdefault("annotations", [])
    return fields


def _without_nulls(value: Any) -> Any:
    """Drop null fields: clients read null and absence differently."""
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}  # pyright: ignore[reportUnknownVariableType]
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
