"""Every recording replays into what it says itself: its counts under the accounting table, its thinking, its text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from shared_data import ABSENT, FOLDER

from perpend.backends.recording import Recording, provider_of, read_recording, replay
from perpend.errors import ConfigError
from perpend.providers.provider import Provider

WIRE = FOLDER / "wire"
FOLDERS = sorted(str(file.parent.relative_to(WIRE)) for file in WIRE.rglob("response.*"))
OUTSIDE = ("xai/chat", "xai/grpc")
"""Their thinking isn't inside the output count."""


def bodies(folder: Path) -> list[Any]:
    """The JSON values of a response: one, or those of its events."""
    file = next(folder.glob("response.*"))
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return json.loads(text if text.lstrip().startswith("[") else f"[{text}]")
    rows = [
        line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith(("data:", "{"))
    ]
    return [json.loads(row) for row in rows if row != "[DONE]"]


def counts(name: str, said: list[Any]) -> tuple[int, int, int] | None:
    """Input, output and thinking tokens as the recording counts them; thinking 0: not told apart."""
    found: dict[str, Any] = {}
    for body in said:
        places: list[Any] = [body, *(body.get(key) or {} for key in ("response", "message", "x_groq"))]
        for place in places:
            found |= place.get("usage") or place.get("usageMetadata") or {}
        found |= {key: body[key] for key in ("prompt_eval_count", "eval_count") if key in body}
    if not found:
        return None
    if "totalTokenCount" in found:
        thinking = found.get("thoughtsTokenCount") or 0
        return found["promptTokenCount"], (found.get("candidatesTokenCount") or 0) + thinking, thinking
    if "tokens" in found:
        return found["tokens"]["input_tokens"], found["tokens"]["output_tokens"], 0
    given = next(found[key] for key in ("prompt_tokens", "input_tokens", "prompt_eval_count") if key in found)
    given += (found.get("cache_read_input_tokens") or 0) + (found.get("cache_creation_input_tokens") or 0)
    output = next(found[key] for key in ("completion_tokens", "output_tokens", "eval_count") if key in found)
    details: Any = found.get("completion_tokens_details") or found.get("output_tokens_details") or {}
    thinking = (
        details.get("reasoning_tokens") or details.get("thinking_tokens") or found.get("reasoning_tokens")
    )
    return given, output + (thinking or 0 if name.startswith(OUTSIDE) else 0), thinking or 0


def chat_texts(said: list[Any]) -> tuple[str, str]:
    """Thinking and text of the chat wire, in whatever field they are."""
    thinking, text = "", ""
    for body in said:
        choices: list[Any] = body.get("choices") or body.get("outputs") or []
        for choice in choices[:1]:
            delta: Any = choice.get("message") or choice.get("delta") or {}
            thinking += delta.get("reasoning_content") or delta.get("reasoning") or ""
            content: Any = delta.get("content") or ""
            chunks: list[Any] = [{"text": content}] if type(content) is str else content
            for chunk in chunks:
                thinking += "".join(piece["text"] for piece in chunk.get("thinking", []))
                text += chunk.get("text", "")
    return thinking, text


def test_how_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    if not FOLDERS:
        pytest.skip(ABSENT)
    with capsys.disabled():
        print(f"\n{len(FOLDERS)} recordings are replayed")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_recording_says_what_it_said(name: str) -> None:
    recording = read_recording(WIRE / name)
    said = bodies(WIRE / name)
    replayed = replay(recording)
    if recording.status != 200 or any(body.get("error") for body in said):
        assert replayed.error is not None
        assert replayed.error["message"]
        return
    assert replayed.error is None
    expected = counts(name, said)
    usage = replayed.usage
    if expected is None:
        assert usage is None
    else:
        assert usage is not None
        given, output, thinking = expected
        assert (usage.input, usage.output) == (given, output)
        assert 0 <= usage.cached <= usage.input
        assert usage.thinking == (min(thinking, output) or usage.thinking)
        assert bool(usage.thinking) == bool(thinking or replayed.thinking)


@pytest.mark.parametrize("name", [name for name in FOLDERS if "/chat" in name or "grpc" in name])
def test_a_chat_recording_keeps_its_texts(name: str) -> None:
    recording = read_recording(WIRE / name)
    if provider_of(recording).wire != "openai_chat" or recording.status != 200:
        pytest.skip("not of this wire, or refused")
    thinking, text = chat_texts(bodies(WIRE / name))
    replayed = replay(recording)
    if "</think>" not in text:
        assert (replayed.thinking, replayed.answer) == (thinking, text)
        return
    inside, _, after = text.rpartition("</think>")
    begun = re.sub(r"^\s*<think>", "", inside)
    assert re.sub(r"\s", "", replayed.thinking) == re.sub(r"\s", "", thinking + begun)
    assert replayed.answer.strip() == after.strip()


@pytest.mark.parametrize("name", [name for name in FOLDERS if name.startswith("composed/")])
def test_a_composed_one_is_split_as_its_author_meant(name: str) -> None:
    meant = json.loads((WIRE / name / "meta.json").read_text(encoding="utf-8"))["expect"]
    if "reasoning" in meant:
        replayed = replay(read_recording(WIRE / name))
        assert (replayed.thinking.strip(), replayed.answer.strip()) == (meant["reasoning"], meant["content"])


@pytest.mark.parametrize(
    ("url", "vendor", "request_", "wire", "name"),
    [
        ("https://api.deepseek.com/chat/completions", "", {}, "openai_chat", "deepseek"),
        ("http://localhost:8000/v1/chat/completions", "sglang", {}, "openai_chat", "sglang"),
        ("https://api.x.ai/v1/responses?x=1", "", {}, "openai_responses", "xai"),
        ("", "", {"input": "Hi", "model": "m"}, "openai_responses", "recorded"),
        ("", "", {"messages": []}, "openai_chat", "recorded"),
        ("https://example.org/v1/completions", "own", {}, "raw_completion", "own"),
    ],
)
def test_wire_and_provider_are_told_by_the_address(
    url: str, vendor: str, request_: dict[str, Any], wire: str, name: str
) -> None:
    provider = provider_of(Recording(request_, b"", False, url, vendor))
    assert isinstance(provider, Provider)
    assert (provider.wire, provider.name) == (wire, name)


def test_a_folder_without_a_response_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no response"):
        read_recording(tmp_path)
