"""`perpend keys`: the secret goes to stdout once, and nowhere else."""

import json
from pathlib import Path
from typing import Any

import pytest

from perpend.cli.keys import app
from perpend.errors import BadRequest, NotFound
from perpend.storage.keys import KeyRing
from perpend.storage.store import Store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(*tokens: str) -> None:
    app(list(tokens), result_action="return_value")


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    keys("list", "--json")
    return json.loads(capsys.readouterr().out)


def test_a_new_key_works(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys("create", "laptop")
    said = capsys.readouterr()
    secret = said.out.strip()
    assert secret not in said.err
    assert "isn't shown again" in said.err
    with Store.open(home / "perpend.db") as store:
        key = KeyRing(store).lookup(secret)
    assert key is not None
    assert key.name == "laptop"


def test_the_config_says_where_keys_are_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "other.toml").write_text('[storage]\npath = "elsewhere.db"\n')
    keys("create", "laptop", "--config", str(home / "other.toml"))
    assert (home / "elsewhere.db").exists()
    assert not (home / "perpend.db").exists()


def test_listing_shows_neither_secret_nor_hash(capsys: pytest.CaptureFixture[str]) -> None:
    keys("create", "laptop")
    secret = capsys.readouterr().out.strip()
    keys("list")
    table = capsys.readouterr().out
    assert "laptop" in table
    assert secret[:11] in table
    assert secret not in table
    (row,) = listed(capsys)
    told = {"id", "name", "prefix", "created_at", "revoked_at"}
    assert set(row) == told | {
        *("model", "effort", "max_thinking_tokens", "deadline_ms"),
        *("team", "admin", "limits"),
    }


def test_no_keys_yet(capsys: pytest.CaptureFixture[str]) -> None:
    keys("list")
    said = capsys.readouterr()
    assert said.out == ""
    assert "perpend keys create" in said.err


def test_json_on_creation_has_the_secret_and_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    keys("create", "laptop", "--json")
    made = json.loads(capsys.readouterr().out)
    assert made["secret"].startswith(made["prefix"])
    assert [row["id"] for row in listed(capsys)] == [made["id"]]


def test_revoking_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    keys("create", "laptop")
    keys("revoke", "laptop")
    (row,) = listed(capsys)
    assert row["revoked_at"] is not None


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(NotFound, match="nobody"):
        keys("revoke", "nobody")
    keys("create", "laptop")
    with pytest.raises(BadRequest, match="already"):
        keys("create", "laptop")


class TestDefaults:
    def test_they_are_kept_and_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        options = ("--model", "tiny", "--effort", "low", "--max-thinking-tokens", "512", "--deadline", "5s")
        keys("create", "ci", *options)
        (row,) = listed(capsys)
        names = ("model", "effort", "max_thinking_tokens", "deadline_ms")
        assert [row[name] for name in names] == ["tiny", "low", 512, 5000]
        keys("list")
        assert "tiny, low effort, 512 thinking tokens, 5 s" in capsys.readouterr().out

    def test_a_file_is_named_by_its_whole_path(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The gateway runs in another folder."""
        keys("create", "ci", "--model", "own.gguf")
        assert listed(capsys)[0]["model"] == str(home / "own.gguf")

    def test_what_is_wrong_is_said_and_no_key_made(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(NotFound, match="tinny"):
            keys("create", "ci", "--model", "tinny")
        with pytest.raises(BadRequest, match="at least 0"):
            keys("create", "ci", "--max-thinking-tokens", "-1")
        with pytest.raises(BadRequest, match="isn't a time"):
            keys("create", "ci", "--deadline", "soon")
        assert listed(capsys) == []


def test_limits_are_set_shown_and_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    keys("create", "app", "--limit", "usd_per_month=$20", "--limit", "models=gpt-*,o3", "--team", "red")
    keys("limit", "app", "requests-per-minute=60", "usd_per_month=none")
    capsys.readouterr()
    keys("limit", "app")
    assert capsys.readouterr().out == "requests_per_minute=60, models=gpt-*,o3\n"
    (row,) = listed(capsys)
    assert row["team"] == "red"
    assert row["limits"] == {"requests_per_minute": 60, "models": ["gpt-*", "o3"]}
    keys("limit", "--team", "red", "usd_per_day=5")
    keys("limit", "--team", "red")
    assert capsys.readouterr().out.endswith("usd_per_day=5\n")
    keys("limit", "app", "requests_per_minute=none", "models=none")
    assert capsys.readouterr().out == "no limits\n"


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("usd_per_mnth=5", "did you mean usd_per_month?"),
        ("requests_per_minute", "names no value"),
        ("requests_per_minute=many", "requests_per_minute=many"),
        ("usd_per_day=-1", "usd_per_day"),
        ("efforts=huge", "efforts"),
    ],
)
def test_a_limit_that_is_wrong_is_named(limit: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadRequest) as refused:
        keys("create", "app", "--limit", limit)
    assert said in str(refused.value)
