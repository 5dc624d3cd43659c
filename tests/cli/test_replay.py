"""`perpend replay`: one line of JSON for each recording."""

import json
import shutil
from pathlib import Path

import pytest

from perpend.cli.replay import replay
from perpend.errors import BadRequest, ConfigError

OWN = Path(__file__).parents[1] / "fixtures" / "openai_chat"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(OWN / "tool.sse", tmp_path / "response.sse")
    (tmp_path / "request.json").write_text('{"model": "own-1", "messages": []}')
    return tmp_path


def test_a_recording_is_told_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replay(folder, folder)
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert json.loads(first) == {
        "thinking": "The sum needs a tool.",
        "answer": "Let me add – so.",
        "tool_calls": [{"id": "call_1", "name": "add", "arguments": '{"a": 2, "b": 3}'}],
        "usage": {"input": 40, "cached": 16, "thinking": 12, "answer": 18},
        "stop_reason": "tool_calls",
        "error": None,
    }


def test_a_refusal_is_an_error_of_the_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "response.json").write_text('{"error": {"message": "no such field"}}')
    (tmp_path / "meta.json").write_text(
        '{"url": "https://api.openai.com/v1/chat/completions", "status": 400}'
    )
    replay(tmp_path)
    told = json.loads(capsys.readouterr().out)
    assert (told["error"]["status"], told["stop_reason"]) == (400, None)
    assert "no such field" in told["error"]["message"]


def test_no_folder_and_no_recording_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="at least one"):
        replay()
    with pytest.raises(ConfigError, match="holds no response"):
        replay(tmp_path)
