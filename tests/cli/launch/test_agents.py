"""Each agent is told by its own means, for one process; what isn't known is left to the agent."""

import json
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import replace

from perpend.cli.launch.agents import Agent, AgentSettings, agents, configured
from perpend.cli.launch.command import launch
from perpend.errors import ConfigError

TOLD = AgentSettings("http://127.0.0.1:9", "pk-secret", 'a/"b', context=32_768, effort="low")


@pytest.fixture(autouse=True)
def outer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant")
    monkeypatch.setenv("NO_PROXY", "intranet")


@pytest.mark.parametrize("row", agents().values(), ids=agents().keys())
@pytest.mark.parametrize("told", [TOLD, AgentSettings("http://127.0.0.1:9", "pk-secret", "m")])
def test_each_learns_address_key_and_model(row: Agent, told: AgentSettings, tmp_path: Path) -> None:
    arguments, environment = configured(row, told, tmp_path)
    given = [environment[name] for name in row.environment if name in environment]
    written = [file.read_text() for file in tmp_path.iterdir()]
    all_of_it = "\n".join([*arguments, *given, *written])
    for needed in (told.url, told.key, told.model if told.model == "m" else json.dumps(told.model)[1:-1]):
        assert needed in all_of_it
    assert "{" not in all_of_it.replace('{"', "").replace("{\n", "").replace("{name=", "")


@pytest.mark.parametrize("told", [TOLD, AgentSettings("http://127.0.0.1:9", "pk-secret", "m")])
def test_what_is_written_is_what_its_kind_of_file_allows(told: AgentSettings, tmp_path: Path) -> None:
    for name, row in agents().items():
        folder = tmp_path / name
        folder.mkdir()
        _, environment = configured(row, told, folder)
        for file in folder.glob("*.json"):
            json.loads(file.read_text())
        if name == "opencode":
            content = json.loads(environment["OPENCODE_CONFIG_CONTENT"])
            assert content["model"] == f"perpend/{told.model}"
            assert ("limit" in content["provider"]["perpend"]["models"][told.model]) == (told is TOLD)


def test_codex_gets_toml_by_its_own_flag(tmp_path: Path) -> None:
    arguments, _ = configured(agents()["codex"], TOLD, tmp_path)
    assert set(arguments[::2]) == {"-c"}
    config = tomllib.loads("\n".join(arguments[1::2]))
    assert (config["model"], config["model_reasoning_effort"]) == (TOLD.model, "low")
    assert config["model_providers"]["perpend"]["base_url"] == "http://127.0.0.1:9/v1"
    silent, _ = configured(agents()["codex"], AgentSettings("http://127.0.0.1:9", "pk-secret", "m"), tmp_path)
    assert "model_reasoning_effort" not in "".join(silent)


def test_a_variable_of_the_vendor_is_taken_away(tmp_path: Path) -> None:
    _, environment = configured(agents()["claude"], TOLD, tmp_path)
    assert "ANTHROPIC_API_KEY" not in environment
    assert json.loads((tmp_path / "settings.json").read_text())["env"]["ANTHROPIC_API_KEY"] == ""


def test_claude_code_says_no_effort_of_its_own_where_the_key_says_how_much(tmp_path: Path) -> None:
    silent = AgentSettings("http://127.0.0.1:9", "pk-secret", "m")
    for told, said in ((TOLD, "unset"), (replace(silent, max_thinking_tokens=64), "unset"), (silent, None)):
        _, environment = configured(agents()["claude"], told, tmp_path)
        assert environment.get("CLAUDE_CODE_EFFORT_LEVEL") == said


def test_help_names_them_all() -> None:
    assert all(name in str(launch.__doc__) for name in agents())


def test_no_proxy_stands_between(tmp_path: Path) -> None:
    _, environment = configured(agents()["llm"], TOLD, tmp_path)
    assert environment["NO_PROXY"] == environment["no_proxy"] == "intranet,127.0.0.1,localhost"


def test_one_that_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="Claude Code isn't installed") as missing:
        agents()["claude"].executable()
    assert missing.value.hint == "npm install -g @anthropic-ai/claude-code"
