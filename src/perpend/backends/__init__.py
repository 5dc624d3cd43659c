"""One file for each wire protocol; importing this package registers them."""

from perpend.backends import cohere, dashscope, ollama
from perpend.backends.anthropic import wire as anthropic
from perpend.backends.completion import llama as llama_completion
from perpend.backends.completion import openai as openai_completion
from perpend.backends.contract import Backend, Call, CallEvent, Upstream, backends
from perpend.backends.gemini import wire as gemini
from perpend.backends.openai_chat import wire as openai_chat
from perpend.backends.openai_responses import wire as openai_responses

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
