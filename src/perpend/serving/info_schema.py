"""The bodies of the small endpoints as types: models and health."""

from typing import Literal

from msgspec import Struct


class ModelRow(Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model"
    created: int
    owned_by: str


class ModelList(Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[ModelRow]


class ModelInfo(Struct, frozen=True, kw_only=True):
    """A model in Anthropic's shape."""

    type: Literal["model"] = "model"
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"] = "active"
    max_input_tokens: int | None
    """The model's context in tokens, where the config has it."""


class ModelPage(Struct, frozen=True, kw_only=True):
    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None


class Status(Struct, frozen=True):
    status: str
    reason: str | None = None
