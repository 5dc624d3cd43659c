"""The same thoughts and texts, as the servers of each wire say them."""

import json
from collections.abc import Callable, Sequence
from typing import Any

Pieces = list[tuple[str, str]]
"""`thought` or `text`, and what is said."""
URLS = {
    "openai_chat": "/chat/completions",
    "openai_responses": "/responses",
    "anthropic": "/messages",
    "gemini": ":generateContent",
    "cohere": "/v2/chat",
    "dashscope": "/text-generation/generation",
    "ollama": "/api/chat",
    "raw_completion": "/v1/completions",
    "llama_completion": "/completion",
}
"""Of each wire, as a recording has them."""


def chat(pieces: Pieces, *, whole: bool) -> list[Any]:
    if whole:
        message = {"reasoning_content": said(pieces, "thought"), "content": said(pieces, "text")}
        return [{"choices": [{"message": message, "finish_reason": "stop"}]}]
    names = {"thought": "reasoning_content", "text": "content"}
    deltas = [{"choices": [{"delta": {names[kind]: text}}]} for kind, text in pieces]
    return [*deltas, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]


def responses(pieces: Pieces, *, whole: bool) -> list[Any]:
    part = {"type": "output_text", "text": said(pieces, "text")}
    items: list[Any] = [{"type": "message", "content": [part]}]
    if thought := said(pieces, "thought"):
        items.insert(0, {"type": "reasoning", "summary": [{"type": "summary_text", "text": thought}]})
    response = {"status": "completed", "output": items}
    if whole:
        return [response]
    names = {"thought": ("reasoning_summary_text", 0), "text": ("output_text", len(items) - 1)}
    deltas = [
        {"type": f"response.{names[kind][0]}.delta", "output_index": names[kind][1], "delta": text}
        for kind, text in pieces
    ]
    return [*deltas, {"type": "response.completed", "response": response}]


def anthropic(pieces: Pieces, *, whole: bool) -> list[Any]:
    names = {"thought": "thinking", "text": "text"}
    if whole:
        blocks = [
            {"type": names[kind], names[kind]: said(pieces, kind)} for kind in names if said(pieces, kind)
        ]
        return [{"type": "message", "content": blocks, "stop_reason": "end_turn"}]
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {names[kind]: text}} for kind, text in pieces
    ]
    return [
        {"type": "message_start", "message": {}},
        *deltas,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]


def gemini(pieces: Pieces, *, whole: bool) -> list[Any]:
    parts = [{"text": text, "thought": kind == "thought"} for kind, text in pieces]
    events = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    last = {"candidates": [{"finishReason": "STOP"}]}
    return (
        [{"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}]
        if whole
        else [*events, last]
    )


def cohere(pieces: Pieces, *, whole: bool) -> list[Any]:
    names = {"thought": "thinking", "text": "text"}
    chunks = [{"type": names[kind], names[kind]: text} for kind, text in pieces]
    if whole:
        return [{"message": {"content": chunks}, "finish_reason": "COMPLETE"}]
    events = [{"type": "content-delta", "delta": {"message": {"content": chunk}}} for chunk in chunks]
    return [*events, {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}]


def dashscope(pieces: Pieces, *, whole: bool) -> list[Any]:
    events: list[Any] = chat(pieces, whole=whole)
    for event in events:
        for choice in event["choices"]:
            choice["message"] = choice.pop("delta", choice.get("message"))
    return [{"output": event} for event in events]


def ollama(pieces: Pieces, *, whole: bool) -> list[Any]:
    names = {"thought": "thinking", "text": "content"}
    if whole:
        return [{"message": {names[kind]: said(pieces, kind) for kind in names}, "done": True}]
    lines = [{"message": {names[kind]: text}, "done": False} for kind, text in pieces]
    return [*lines, {"message": {"content": ""}, "done": True}]


def stream_of(wire: str, events: Sequence[Any]) -> bytes:
    """Of events, as bytes or to be written as JSON."""
    rows = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return b"".join(row + b"\n" if wire == "ollama" else b"data: " + row + b"\n\n" for row in rows)


def said(pieces: Pieces, kind: str) -> str:
    return "".join(text for what, text in pieces if what == kind)


WIRES: dict[str, Callable[..., list[Any]]] = {
    "openai_chat": chat,
    "openai_responses": responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "cohere": cohere,
    "dashscope": dashscope,
    "ollama": ollama,
}
"""Those that answer in messages: what is completed from a prompt has its thought cut off by us."""
