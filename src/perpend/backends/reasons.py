"""Maps all vendors' words for why a response ended; they are compared in lower case."""

from perpend.types import ServerStop

REASONS: dict[str, ServerStop | None] = {
    **dict.fromkeys(("stop", "eos", "end_turn", "complete"), "stop"),
    "stop_sequence": "stop_sequence",
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(
        (
            *("length", "max_tokens", "max_output_tokens", "max_new_tokens", "max_length", "limit"),
            "model_length",  # Mistral: the context is full
            "model_context_window_exceeded",  # Anthropic
            "context_length_exceeded",
            "insufficient_system_resource",  # DeepSeek: the server cut it
            "pause_turn",  # Anthropic: the server's own tools took too long; the turn isn't complete
        ),
        "length",
    ),
    **dict.fromkeys(
        (
            *("content_filter", "refusal"),
            "sensitive",  # Z.ai
            *("safety", "recitation", "blocklist", "prohibited_content", "spii", "escalation", "language"),
            *("image_safety", "image_prohibited_content", "image_recitation", "model_armor"),
        ),
        "content_filter",
    ),
    # xAI's gRPC, as JSON
    "reason_stop": "stop",
    "reason_max_len": "length",
    "reason_max_context": "length",
    "reason_tool_calls": "tool_calls",
    **dict.fromkeys(("error", "network_error"), None),
}
"""None: the response failed. Each wire decides about words that aren't here."""
_NOT_YET = ("", "null", "none", "finish_reason_unspecified")


def end_word(word: str | None) -> str | None:
    """The word for the end, in lower case; None where the response goes on, for which many servers send a word."""
    ended = word.strip().lower() if word else ""
    return None if ended in _NOT_YET else ended
