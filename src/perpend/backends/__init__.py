"""One file for each wire protocol; importing this package registers them."""

from perpend.backends import (
    anthropic,
    cohere,
    dashscope,
    gemini,
    llama_completion,
    ollama,
    openai_chat,
    openai_completion,
    openai_responses,
)
from perpend.backends.contract import Backend, Call, CallEvent, Upstream, backends

__all__ = [
    "Backend",
    "Call",
    "CallEvent",
    "Upstream",
    "anthropic",
    "backends",
    "cohere",
    "dashscope",
    "gemini",
    "llama_completion",
    "ollama",
    "openai_chat",
    "openai_completion",
    "openai_responses",
]
