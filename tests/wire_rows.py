"""Every wire by its name: a model behind it, and what its server says, in bodies of our own."""

from pathlib import Path
from typing import NamedTuple

from event_streams import chunk

from perpend.transport.sse import SSEParser

OWN = Path(__file__).parent / "fixtures" / "matrix"
TOLD = {"input": 20, "cached": 8, "thinking": 2, "answer": 3}


class Row(NamedTuple):
    """A wire: where its model is, the folder of its bodies, and what differs."""

    like: str | None
    model: str
    folder: str
    path: str
    """Which is asked."""
    usage: dict[str, int] = TOLD
    """Of an answer with thinking."""
    splits: bool = True
    """Its server tells thinking apart from the answer; else that is estimated, and better each time."""
    raw: bool = False
    """It goes on from a prompt: thought and answer are two calls, and a tool that has to be called is called once."""
    wanted: str = ""
    """What has to come back beside a tool call's result."""


SIGNED = '"signature": "c2lnbmVk"'
CLAUDE = "claude-sonnet-4-5"
ROWS: dict[str, Row] = {
    "openai_chat": Row(
        "moonshot", "kimi-k2.5", "openai_chat", "/chat/completions", wanted='"reasoning_content": "6 times 7"'
    ),
    "openai_responses": Row(
        "openai", "gpt-5.1", "openai_responses", "/responses", wanted='"encrypted_content": "opaque"'
    ),
    "anthropic": Row("anthropic", CLAUDE, "anthropic", "/messages", wanted=SIGNED),
    "anthropic_vertex": Row(
        "vertex-anthropic", CLAUDE, "anthropic", f"/models/{CLAUDE}:streamRawPredict", wanted=SIGNED
    ),
    "anthropic_bedrock": Row(
        "bedrock-anthropic",
        CLAUDE,
        "anthropic",
        f"/model/{CLAUDE}/invoke-with-response-stream",
        wanted=SIGNED,
    ),
    "gemini": Row(
        "google",
        "gemini-2.5-flash",
        "gemini",
        "/models/gemini-2.5-flash:streamGenerateContent",
        wanted='"thoughtSignature": "c2lnbmVk"',
    ),
    "cohere": Row("cohere", "command-a-reasoning-08-2025", "cohere", "/chat", splits=False),
    "dashscope": Row("dashscope", "qwen-plus", "dashscope", "/services/aigc/text-generation/generation"),
    "ollama": Row("ollama", "qwen3:8b", "ollama", "/api/chat", {**TOLD, "cached": 0}, splits=False),
    # A thought and an answer are two calls. At `/completion` the second one's input is what it adds.
    "llama_completion": Row(
        None, "qwen2.5-coder", "llama_completion", "/completion", {**TOLD, "input": 22}, raw=True
    ),
    "raw_completion": Row(
        None, "qwen2.5-coder", "raw_completion", "/completions", {**TOLD, "input": 44, "cached": 30}, raw=True
    ),
}
"""By the name of the wire."""


def bodies(wire: str, kind: str) -> list[bytes]:
    """Those that one answer takes."""

    def body(name: str) -> bytes:
        (file,) = (OWN / ROWS[wire].folder).glob(f"{name}.*")
        return file.read_bytes()

    if ROWS[wire].raw:
        return (
            [body("text")]
            if kind == "text"
            else [body("thought"), body("text" if kind == "thinking" else kind)]
        )
    if wire == "anthropic_bedrock":
        return [b"".join(map(chunk, SSEParser().feed(body(kind))))]
    return [body(kind)]
