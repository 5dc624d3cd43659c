"""`perpend config`: what is wrong and where, what holds and why, and no secret in either."""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import run

from perpend.cli.config import app
from perpend.errors import ConfigError


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "perpend.toml"


def config(*tokens: str) -> None:
    app(list(tokens), result_action="return_value")


def shown(capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    config("show")
    said = capsys.readouterr()
    return json.loads(said.out), said.err


class TestCheck:
    def test_ok(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        config("check")
        assert "the defaults: ok" in capsys.readouterr().out
        file.write_text("[serve]\nport = 1\n")
        config("check")
        assert "perpend.toml: ok" in capsys.readouterr().out

    def test_as_a_command_it_has_an_exit_status(self, file: Path) -> None:
        file.write_text("[serve]\nprot = 1\n")
        done = run(file.parent, "config", "check")
        assert done.returncode == 1
        assert "perpend.toml:2: serve.prot: unknown key; did you mean 'serve.port'?" in done.stderr
        assert done.stdout == ""

    def test_another_file(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        other = file.with_name("other.toml")
        other.write_text("\n[engine]\nslots = -1\n")
        with pytest.raises(ConfigError, match=r"other\.toml:3: engine\.slots"):
            config("check", "-c", str(other))

    @pytest.mark.parametrize(
        ("text", "said", "hint"),
        [
            (
                '[models.m]\nfamily = "qwen"',
                "perpend.toml:2: models.m.family: unknown model family",
                "qwen3",
            ),
            (
                '[models.m]\nprovider = "opnai"\n[providers.openai]\nbase_url = "http://x"',
                ":2: models.m.prov",
                "",
            ),
            ('[providers.x]\nbase_url = "localhost:8000"', "must begin with http", ""),
            ('[providers.x]\nbase_url = "http://x"\nconnect_timeout_s = 0', "connect_timeout_s", ""),
        ],
    )
    def test_what_only_the_whole_can_tell(self, file: Path, text: str, said: str, hint: str) -> None:
        file.write_text(text)
        with pytest.raises(ConfigError) as refused:
            config("check")
        assert said in refused.value.message
        assert hint in str(refused.value.hint)

    def test_a_key_in_the_place_of_its_variables_name_is_not_repeated(self, file: Path) -> None:
        file.write_text('[providers.x]\nbase_url = "http://x"\napi_key_env = "sk-proj-s3cret"\n')
        with pytest.raises(ConfigError, match="not the key itself") as refused:
            config("check")
        assert "s3cret" not in str(refused.value)


class TestShow:
    def test_values_and_where_they_come_from(
        self, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.write_text('[serve]\nport = 1\nhost = "::1"\n')
        monkeypatch.setenv("PERPEND_SERVE__PORT", "9000")
        values, origins = shown(capsys)
        assert (values["serve"]["port"], values["serve"]["host"]) == (9000, "::1")
        assert "serve.port: PERPEND_SERVE__PORT" in origins.splitlines()
        assert "serve.host: perpend.toml:3" in origins.splitlines()

    def test_secrets_are_hidden(
        self, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = {
            "Authorization": "s3cret-1",
            "X-Api-Key": "s3cret-2",
            "X-Custom": "Bearer s3cret-3",
            "X-Odd": "s3cret-4-0123456789abcdef",
            "X-Team": "research",
        }
        lines = "\n".join(f'{name} = "{value}"' for name, value in headers.items())
        file.write_text(
            '[providers.x]\nbase_url = "https://user:s3cret-5@host/v1"\napi_key_env = "THE_KEY"\n'
            f"[providers.x.headers]\n{lines}\n"
        )
        monkeypatch.setenv("THE_KEY", "s3cret-6")
        monkeypatch.setenv("PERPEND_PROVIDERS__X__HEADERS__COOKIE", "s3cret-7")
        values, origins = shown(capsys)
        assert "s3cret" not in json.dumps(values) + origins
        provider = values["providers"]["x"]
        assert provider["headers"]["X-Team"] == "research"
        assert provider["api_key_env"] == "THE_KEY"
        assert provider["base_url"].endswith("@host/v1")


def test_the_schema_is_a_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    config("schema")
    schema = json.loads(capsys.readouterr().out)
    assert "ProviderConfig" in schema["$defs"]
    assert schema["$defs"]["EngineConfig"]["additionalProperties"] is False
