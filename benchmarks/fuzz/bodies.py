# pyright: basic
# what any JSON may be has no types
"""Right bodies for every endpoint. `@response@` and `@conversation@` stand for ids that the gateway gave, `@address@`
and `@pdf@` for what the grammar makes.
"""

from typing import Any, NamedTuple

_PNG = "data:image/png;base64,iVBORw0KGgo="
_FUNCTION = {
    "name": "look",
    "description": "d",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a": "b"}'}}
_CUSTOM = {
    "type": "custom",
    "name": "say",
    "format": {"type": "grammar", "syntax": "regex", "definition": "("},
}
_CARRY = "perpend.1.WyJ0aG91Z2h0IiwgWyJ4IiwgInkiXV0"
_PDF = "@pdf@"


def _said(*content: Any, role: str = "user") -> Any:
    return {"role": role, "content": list(content)}


CHAT: tuple[Any, ...] = (
    {"messages": [{"role": "user", "content": "What is 6 times 7?"}]},
    {"messages": [{"role": "system", "content": "Be brief."}, _said({"type": "text", "text": "Say hi."})]},
    {
        "messages": [
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
        ],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "tool_choice": "auto",
    },
    {
        "messages": [_said({"type": "text", "text": "Call."})],
        "tools": [{"type": "function", "function": _FUNCTION}, {"type": "custom", "custom": {"name": "say"}}],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "look"}}]},
        },
    },
    {
        "messages": [
            _said(
                {"type": "image_url", "image_url": {"url": _PNG, "detail": "low"}},
                {"type": "text", "text": "?"},
            )
        ]
    },
    {"messages": [_said({"type": "image_url", "image_url": {"url": "@address@"}})]},
    {"messages": [_said({"type": "file", "file": {"file_data": _PDF, "filename": "a.pdf"}})]},
    {
        "messages": [
            _said({"type": "file", "file": {"file_data": "data:text/plain;base64,é", "filename": "a"}})
        ]
    },
    {
        "messages": [
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": "7",
                "reasoning_details": [
                    {
                        "type": "perpend.carry",
                        "index": 0,
                        "part": "thought",
                        "origin": "x",
                        "data": "y",
                        "span": [0, 1],
                    },
                    {"type": "reasoning.text", "text": "hm"},
                ],
            },
            {"role": "user", "content": "and?"},
        ]
    },
    {
        "messages": [{"role": "user", "content": "f"}],
        "functions": [_FUNCTION],
        "function_call": {"name": "look"},
    },
)
COMPLETIONS: tuple[Any, ...] = (
    {"prompt": "What is 6 times 7?"},
    {"prompt": ["Say hi."]},
    {"prompt": [1, 2, 3]},
    {"prompt": ""},
)
EMBEDDINGS: tuple[Any, ...] = (
    {"model": "chat", "input": "hi"},
    {"model": "chat", "input": ["hi", ""], "encoding_format": "base64"},
    {"model": "raw", "input": [[1, 2], [3]], "dimensions": 2},
)
RESPONSES: tuple[Any, ...] = (
    {"input": "What is 6 times 7?"},
    {"input": "Say hi.", "instructions": "Be brief.", "store": False},
    {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "?"},
                    {"type": "input_image", "image_url": "@address@"},
                ],
            }
        ]
    },
    {
        "input": [
            {"role": "user", "content": [{"type": "input_file", "file_data": _PDF, "filename": "a.pdf"}]}
        ]
    },
    {
        "input": [
            {"type": "message", "role": "user", "content": "Look."},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [], "encrypted_content": _CARRY},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "seen"},
            {"type": "custom_tool_call", "call_id": "d", "name": "say", "input": "x"},
            {
                "type": "custom_tool_call_output",
                "call_id": "d",
                "output": [{"type": "input_text", "text": "x"}],
            },
            {"type": "compaction", "id": "cmp_1", "encrypted_content": "perpend.summary.1.eA=="},
        ],
        "tools": [
            {"type": "function", **_FUNCTION},
            _CUSTOM,
            {"type": "web_search"},
            {"type": "tool_search", "execution": "client"},
        ],
        "tool_choice": {"type": "function", "name": "look"},
    },
    {
        "input": "x",
        "tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function", **_FUNCTION}]}],
    },
    {"input": [{"role": "user", "content": "x"}, {"type": "compaction_trigger"}]},
    {"input": "Go on.", "previous_response_id": "@response@"},
    {"input": "Go on.", "conversation": "@conversation@"},
    {"input": "x", "background": True, "stream": True},
)
MESSAGES: tuple[Any, ...] = (
    {"max_tokens": 64, "messages": [{"role": "user", "content": "What is 6 times 7?"}]},
    {
        "messages": [_said({"type": "text", "text": "Say hi.", "cache_control": {"type": "ephemeral"}})],
        "system": "Be brief.",
    },
    {
        "messages": [
            {"role": "user", "content": "Look."},
            _said(
                {"type": "thinking", "thinking": "hm", "signature": _CARRY},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "tool_use", "id": "t", "name": "look", "input": {"a": "b"}},
                role="assistant",
            ),
            _said(
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": [{"type": "text", "text": "seen"}],
                    "is_error": False,
                }
            ),
        ],
        "tools": [
            {"name": "look", "input_schema": {"type": "object"}},
            {"type": "bash_20250124", "name": "bash"},
        ],
        "tool_choice": {"type": "tool", "name": "look"},
    },
    {
        "messages": [
            _said(
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
                }
            )
        ]
    },
    {"messages": [_said({"type": "image", "source": {"type": "url", "url": "@address@"}})]},
    {
        "messages": [
            _said(
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "é"},
                }
            )
        ]
    },
    {
        "messages": [
            _said(
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                    "title": "t",
                }
            )
        ]
    },
    {
        "messages": [
            _said(
                {
                    "type": "search_result",
                    "source": "x",
                    "title": "t",
                    "content": [{"type": "text", "text": "x"}],
                }
            )
        ]
    },
    {"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y", "clear_at": "never"}]},
)
ITEMS: tuple[Any, ...] = (
    {"items": [{"type": "message", "role": "user", "content": "x"}]},
    {
        "items": [{"type": "function_call", "call_id": "c", "name": "look", "arguments": {}}],
        "metadata": {"a": "b"},
    },
    {"metadata": {"topic": "x"}},
    {"metadata": None},
)


class Endpoint(NamedTuple):
    bodies: tuple[Any, ...]
    weight: int
    """How often it's asked, against the others."""
    own: bool = True
    """Perpend's own fields belong to it."""


ENDPOINTS = {
    "/v1/chat/completions": Endpoint(CHAT, 30),
    "/v1/responses": Endpoint(RESPONSES, 16),
    "/v1/messages": Endpoint(MESSAGES, 16),
    "/v1/completions": Endpoint(COMPLETIONS, 8),
    "/v1/embeddings": Endpoint(EMBEDDINGS, 4, own=False),
    "/v1/messages/count_tokens": Endpoint(MESSAGES, 3),
    "/v1/responses/input_tokens": Endpoint(RESPONSES, 3),
    "/v1/responses/compact": Endpoint(RESPONSES, 2),
    "/v1/conversations": Endpoint(ITEMS, 2, own=False),
    "/v1/conversations/@conversation@": Endpoint(ITEMS, 1, own=False),
    "/v1/conversations/@conversation@/items": Endpoint(ITEMS, 2, own=False),
    "/v1/responses/@response@/cancel": Endpoint(({},), 1, own=False),
}
ASKED = {
    "/v1/chat/completions": "messages",
    "/v1/responses": "input",
    "/v1/messages": "messages",
    "/v1/completions": "prompt",
}
"""Where a question stands."""
