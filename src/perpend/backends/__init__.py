"""One file for each wire protocol; importing this package registers them."""

from perpend.backends import anthropic, gemini, ollama, openai_chat, openai_responses, raw_completion
from perpend.backends.contract import Backend, Call, CallEvent, Upstream, backends

__all__ = [
    "Backend",
    "Call",
    "CallEvent",
    "Upstream",
    "anthropic",
    "backends",
    "gemini",
    "ollama",
    "openai_chat",
    "openai_responses",
    "raw_completion",
]
