"""Ids of items, which say which response an item belongs to."""

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


class ItemPlace(NamedTuple):
    response_id: str
    brought: bool
    """Among what the response's request brought, else in its output."""


def item_id(kind: str, response_id: str, at: int, *, brought: bool = False) -> str:
    prefix = _PREFIXES.get(kind, "item")
    return f"{prefix}_{response_id.removeprefix('resp_')}_{'in' if brought else ''}{at}"


def place_of(id_: str) -> ItemPlace | None:
    """None: nothing here has such an id."""
    match = _ID.fullmatch(id_)
    return ItemPlace(f"resp_{match[1]}", match[2] is not None) if match else None


def items_of(given: str | list[InputItem] | None) -> list[InputItem]:
    """The input as items: text alone is a user's message."""
    return [InputItem(role="user", content=given)] if isinstance(given, str) else given or []


def listed(items: list[InputItem], response_id: str) -> list[dict[str, Any]]:
    """What a request brought, as clients read it. An item that has an id from here keeps it."""
    return [
        _listed(item, item.id if item.id and place_of(item.id) else _brought(item, response_id, at))
        for at, item in enumerate(items)
    ]


def _brought(item: InputItem, response_id: str, at: int) -> str:
    return item_id(item.type, response_id, at, brought=True)


def _listed(item: InputItem, id_: str) -> dict[str, Any]:
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
    """Without what is null: a client reads that as something else than its absence."""
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}  # pyright: ignore[reportUnknownVariableType]
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]
