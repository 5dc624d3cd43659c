"""The bodies of `POST /v1/completions` as types; `/openapi.json` is generated from them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from perpend.serving.dialects.openai_chat_schema import ChatUsage, FinishReason, OpenAIRequest
from perpend.serving.fields import refused
from perpend.types import PerpendReport


class CompletionRequest(OpenAIRequest, forbid_unknown_fields=True, kw_only=True):
    """OpenAI's legacy completion with Perpend's own fields beside it. The prompt is one user's message."""

    prompt: str | list[Any]
    """A text, or a list of one."""
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    suffix: Annotated[str | None, refused("text after the answer", "send a chat that says what follows")] = (
        None
    )
    best_of: Any = None
    """Ignored, unless it equals `n`."""


class TextLogprobs(Struct, frozen=True):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoice(Struct, frozen=True):
    text: str
    index: int
    logprobs: TextLogprobs | None
    finish_reason: FinishReason | None


class TextCompletion(Struct, frozen=True, kw_only=True):
    """A completion, or a `data:` line of its stream. The last one before `[DONE]` carries `usage` and `perpend`."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: ChatUsage | UnsetType = UNSET
    perpend: PerpendReport | UnsetType = UNSET
