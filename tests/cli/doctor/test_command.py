"""`perpend doctor`: each thing that can be wrong is a line of its own, with its fix."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from commands import PERPEND, environment, run
from fake_server import serving
from gateway import small_model

from perpend.accounting.curves import Curve, CurvePoint, CurveSource, curve_path, data_hash
from perpend.accounting.curves import install as install_curve
from perpend.cli.doctor import checks, probe
from perpend.cli.doctor.checks import CheckFinding
from perpend.cli.doctor.examine import guarded
from perpend.config import (
    Config,
    EngineConfig,
    ModelConfig,
    PriceConfig,
    ProviderConfig,
    ServeConfig,
    StorageConfig,
)
from perpend.engine.catalogue import catalogue, find
from perpend.engine.machine import Machine
from perpend.errors import ConfigError, StorageError
from perpend.extras import install
from perpend.runtime import Runtime
from perpend.sandbox import ISOLATION_LEVELS, LevelTrial
from perpend.serving.server import bind
from perpend.storage.store import Store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def chunk(delta: dict[str, str] | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"delta": delta, "finish_reason": fields.pop("finish", None)}]
    return b"data: " + json.dumps({"choices": choices, **fields}).encode() + b"\n\n"


THOUGHT = [chunk({"reasoning_content": "six times seven "}), chunk({"reasoning_content": "is forty-two"})]
ANSWER = [chunk({"content": "42"}), chunk({"content": " rolls"}, finish="stop")]
USAGE = chunk(usage={"prompt_tokens": 20, "completion_tokens": 9})
DONE = b"data: [DONE]\n\n"
GOOD = [*THOUGHT, *ANSWER, USAGE, DONE]


def vendor(body: list[bytes], *, status: int = 200, models_status: int = 200) -> web.Application:
    """A chat server that answers `body`, each piece in a write of its own."""

    async def chat(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for piece in body:
            await response.write(piece)
            await asyncio.sleep(0.02)
        return response

    async def models(request: web.Request) -> web.Response:
        return web.Response(status=models_status, text="{}")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    return app


def config(base_url: str, family: str | None = None) -> Config:
    provider = ProviderConfig(base_url=base_url, read_timeout_s=5)
    return Config(providers={"mine": provider}, models={"m": ModelConfig(provider="mine", family=family)})


async def asked(app: web.Application, family: str | None = None) -> dict[str, CheckFinding]:
    """The findings about model m, by their last word."""
    async with serving(app) as url, await Runtime.open(config(f"{url}/v1", family)) as runtime:
        found = [finding async for finding in probe.ask_model(runtime, "m")]
    return {finding.what.removeprefix("m: "): finding for finding in found}


class TestProvider:
    async def test_one_that_does_everything(self) -> None:
        found = await asked(vendor(GOOD))
        assert list(found) == ["streams", "emits thinking", "honours a budget", "reports usage"]
        assert all(finding.ok for finding in found.values())
        assert "input 20, output 9" in found["reports usage"].message

    async def test_asking_is_in_the_ledger(self, home: Path) -> None:
        await asked(vendor(GOOD))
        with Store.open(home / "perpend.db") as store:
            (row,) = store.connection.execute("select source, model, status from requests")
        assert row == ("doctor", "m", "finished")

    @pytest.mark.parametrize(
        ("body", "family", "wrong"),
        [
            ([b"".join(GOOD)], None, "streams"),
            ([*ANSWER, USAGE, DONE], None, "emits thinking"),
            ([*THOUGHT, *ANSWER, DONE], None, "reports usage"),
            (
                [
                    *THOUGHT,
                    *ANSWER,
                    chunk(
                        usage={
                            "prompt_tokens": 20,
                            "completion_tokens": 90,
                            "completion_tokens_details": {"reasoning_tokens": 80},
                        }
                    ),
                    DONE,
                ],
                "vllm-budget",
                "honours a budget",
            ),
        ],
    )
    async def test_each_fault_is_told_apart(self, body: list[bytes], family: str | None, wrong: str) -> None:
        found = await asked(vendor(body), family)
        assert [what for what, finding in found.items() if not finding.ok] == [wrong]
        assert found[wrong].fix

    async def test_thinking_that_is_counted_but_hidden(self) -> None:
        details = {"completion_tokens_details": {"reasoning_tokens": 12}}
        usage = chunk(usage={"prompt_tokens": 20, "completion_tokens": 20, **details})
        found = await asked(vendor([*ANSWER, usage, DONE]))
        assert found["emits thinking"].ok
        assert "not shown" in found["emits thinking"].message

    async def test_a_server_that_answers_without_streaming(self) -> None:
        found = await asked(vendor([b'{"choices": [{"message": {"content": "42"}}]}']))
        assert not found["streams"].ok
        assert "came at once" in found["streams"].message

    async def test_a_refused_question_shows_the_servers_words(self) -> None:
        found = await asked(vendor([b"no such model"], status=404))
        assert "no such model" in found["answers"].message
        assert "model's name" in str(found["answers"].fix)

    async def test_reachable(self) -> None:
        async with serving(vendor(GOOD)) as url:
            found = await probe.reachable("mine", ProviderConfig(base_url=f"{url}/v1"))
        assert found.ok

    async def test_a_refused_key(self) -> None:
        async with serving(vendor(GOOD, models_status=401)) as url:
            found = await probe.reachable("mine", ProviderConfig(base_url=f"{url}/v1"))
        assert not found.ok
        assert "api_key_env" in str(found.fix)

    async def test_credentials_in_place_of_a_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
        async with serving(vendor(GOOD)) as url:
            signed = ProviderConfig(base_url=f"{url}/v1", auth="sigv4")
            with pytest.raises(ConfigError, match="no credentials of AWS"):
                await probe.reachable("mine", signed)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
            assert (await probe.reachable("mine", signed)).ok

    async def test_a_closed_port(self) -> None:
        with bind("127.0.0.1", 0) as listener:
            port = listener.getsockname()[1]
        found = await probe.reachable("mine", ProviderConfig(base_url=f"http://127.0.0.1:{port}/v1"))
        assert not found.ok
        assert "providers.mine.base_url" in str(found.fix)


class TestMachine:
    def test_what_runs_these_tests_is_well(self) -> None:
        for finding in (checks.python(), checks.packages(), checks.wheel(), checks.home(Config())):
            assert finding.ok, finding

    def test_a_package_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "uvloop", None)
        found = checks.packages()
        assert (found.ok, found.fix) == (False, install("--force-reinstall", "uvloop"))

    def test_a_home_that_cant_be_written(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / "file").write_text("")
        monkeypatch.setenv("PERPEND_HOME", str(home / "file" / "inside"))
        found = checks.home(Config())
        assert not found.ok
        assert "PERPEND_HOME" in str(found.fix)

    def test_a_store_that_cant_be_written(self, home: Path) -> None:
        (home / "file").write_text("")
        found = checks.store(Config(storage=StorageConfig(path=home / "file" / "perpend.db")))
        assert not found.ok
        assert "storage.path" in str(found.fix)

    def test_a_file_that_is_no_store(self, home: Path) -> None:
        (home / "perpend.db").write_text("no database at all, but a text that is long enough\n" * 50)
        found = checks.store(Config())
        assert not found.ok
        assert found.fix

    def test_a_binary_that_is_none(self, home: Path) -> None:
        found = checks.binary(Config(engine=EngineConfig(binary=home / "none")))
        assert found is not None
        assert not found.ok
        assert checks.binary(Config()) is None

    def test_a_config_that_is_wrong(self, home: Path) -> None:
        (home / "perpend.toml").write_text("[serve]\nprot = 1\n")
        found, config = checks.config_file(None)
        assert config is None
        assert "perpend.toml:2" in found.message

    def test_little_ram(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checks, "this_machine", lambda: Machine(cores=1, ram=1 << 30))
        found = checks.memory(Config())
        assert not found.ok
        assert "defaults.model" in str(found.fix)

    def test_a_full_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def little(_: Path) -> _Usage:
            return _Usage()

        monkeypatch.setattr("shutil.disk_usage", little)
        found = checks.disk(Config())
        assert not found.ok
        assert "free 2.0 GB" in str(found.fix)


class _Usage:
    free = 100_000_000


class TestWeights:
    def findings(self, *, deep: bool = False, config: Config | None = None) -> dict[str, CheckFinding]:
        return {found.what: found for found in checks.weights(config or Config(), deep=deep)}

    def test_the_default_ones_are_not_here(self) -> None:
        here = self.findings()
        assert here.pop("weights of tiny").ok, "they come with the package"
        (found,) = here.values()
        assert not found.ok
        assert found.fix == "perpend models pull qwen2.5-coder-1.5b"

    def test_a_row_of_the_config_means_the_catalogue_s_weights(self) -> None:
        priced = ModelConfig(price=PriceConfig(output=Decimal(1)))
        config = Config(models={"qwen2.5-coder-1.5b": priced, "mine": ModelConfig(name="smollm2-135m")})
        here = self.findings(config=config)
        assert not here["weights of qwen2.5-coder-1.5b"].ok
        assert "weights of mine" not in here, "it names weights"
        assert not self.findings(config=Config(models={"none": ModelConfig()}))["weights of none"].ok

    def test_a_file_cut_short(self, home: Path) -> None:
        weights = find("smollm2-135m")
        weights.path(home).parent.mkdir()
        weights.path(home).write_bytes(b"GGUF")
        found = self.findings()["weights of smollm2-135m"]
        assert not found.ok
        assert "4 of 98,362,432 bytes" in found.message

    def test_a_wrong_checksum_is_found_by_a_deep_look(self, home: Path) -> None:
        weights = find("smollm2-135m")
        weights.path(home).parent.mkdir()
        with weights.path(home).open("wb") as file:
            file.truncate(weights.size)
        assert self.findings()["weights of smollm2-135m"].ok
        found = self.findings(deep=True)["weights of smollm2-135m"]
        assert not found.ok
        assert "perpend models rm smollm2-135m" in str(found.fix)

    def test_the_right_checksum(self, home: Path, smollm_path: Path) -> None:
        (home / "weights").mkdir()
        (home / "weights" / smollm_path.name).symlink_to(smollm_path)
        found = self.findings(deep=True)["weights of smollm2-135m"]
        assert found.ok
        assert "verified" in found.message

    def test_a_gguf_that_the_config_names(self, home: Path) -> None:
        config = Config(models={"own": ModelConfig(gguf=home / "own.gguf")})
        assert not self.findings(config=config)["weights of own"].ok
        (home / "own.gguf").write_bytes(b"not a model at all, though long enough to have a header")
        assert "not a GGUF model" in self.findings(config=config)["weights of own"].message

    def test_a_model_without_a_file(self) -> None:
        found = self.findings(config=Config(models={"own": ModelConfig()}))["weights of own"]
        assert (found.ok, found.fix) == (False, "set models.own.gguf, or models.own.provider")


class TestCurves:
    def test_one_that_can_be_read_and_one_that_cant(self, home: Path) -> None:
        points = CurvePoint(budget=0, right=(1, 0)), CurvePoint(budget=64, right=(1, 1))
        source = CurveSource(
            suite="mine", fingerprint="f", seeds=(0,), measured="2026-11-28", model_versions=(), runs=()
        )
        install_curve(home, Curve(model="m", source=source, points=points, data=data_hash(points)))
        curve_path(home, "n").write_text("{")
        good, broken = checks.curves(Config())
        assert (good.what, good.ok, good.message) == ("curve m", True, "2 problems of mine at 2 budgets")
        assert (broken.what, broken.ok) == ("curve n", False)
        assert broken.fix == "remove it, or measure again: perpend eval curve RUN… --install"


class TestPort:
    async def test_free(self) -> None:
        with bind("127.0.0.1", 0) as listener:
            number = listener.getsockname()[1]
        assert (await checks.port(Config(serve=ServeConfig(port=number)))).ok

    async def test_taken_by_something_else(self) -> None:
        with bind("127.0.0.1", 0) as listener:
            found = await checks.port(Config(serve=ServeConfig(port=listener.getsockname()[1])))
        assert not found.ok
        assert "serve.port" in str(found.fix)

    async def test_taken_by_perpend_itself(self) -> None:
        from scripted import House, gateway

        async with gateway(House()) as front:
            found = await checks.port(Config(serve=ServeConfig(port=front.port)))
        assert found.ok
        assert "already" in found.message


class TestGuard:
    async def found(self, error: Exception) -> CheckFinding:
        def check() -> CheckFinding:
            raise error

        (found,) = [finding async for finding in guarded("thing", check)]
        return found

    async def test_an_error_of_ours_brings_its_hint(self) -> None:
        found = await self.found(StorageError("it broke", hint="mend it"))
        assert (found.what, found.message, found.fix) == ("thing", "it broke", "mend it")

    async def test_any_other_is_a_line_too(self) -> None:
        found = await self.found(ZeroDivisionError("by zero"))
        assert not found.ok
        assert "ZeroDivisionError" in found.message


@contextlib.asynccontextmanager
async def started(home: Path, *arguments: str) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """`perpend …` beside this loop, which may serve what it asks for."""
    process = await asyncio.create_subprocess_exec(
        *PERPEND, *arguments, env=environment(home), cwd=home, stdout=asyncio.subprocess.PIPE
    )
    yield process
    await process.wait()


async def test_the_whole_of_it_with_a_real_engine_and_a_provider(home: Path, smollm_path: Path) -> None:
    small_model(home, smollm_path)
    async with serving(vendor(GOOD)) as url:
        with (home / "perpend.toml").open("a") as file:
            file.write(f'[serve]\nport = 0\n[providers.mine]\nbase_url = "{url}/v1"\n')
            file.write('[models.theirs]\nprovider = "mine"\n')
        async with started(home, "doctor", "--json") as process:
            out, _ = await process.communicate()
    found: dict[str, bool] = {row["what"]: row["ok"] for row in json.loads(out)}
    wrong = {what for what, ok in found.items() if not ok} - {"CPU features", "disk", "RAM"}
    assert not wrong, out
    asked = ("streams", "emits thinking", "honours a budget", "reports usage")
    expected = {
        "engine starts",
        "provider mine: reachable",
        *(f"{m}: {a}" for m in ("small", "theirs") for a in asked),
    }
    assert expected <= set(found)


def test_a_broken_house_is_told_line_by_line(home: Path) -> None:
    (home / "perpend.toml").write_text(
        '[defaults]\nmodel = "m"\n[serve]\nport = 0\n[models.m]\nprovider = "gone"\n'
        '[providers.gone]\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    done = run(home, "doctor")
    assert done.returncode == 1, done.stderr
    assert "✓ store" in done.stdout
    assert "✗ provider gone: reachable" in done.stdout
    assert "fix: is the server running?" in done.stdout
    assert "gone: streams" not in done.stdout


def test_a_wrong_config_ends_it_after_the_machine(home: Path) -> None:
    (home / "perpend.toml").write_text("[serve]\nprot = 1\n")
    done = run(home, "doctor")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2].startswith("✗ config: perpend.toml:2")


async def test_whose_first_prompts_an_embedded_model_has_room_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "weights").mkdir()
    (home / "weights" / catalogue()["qwen2.5-coder-1.5b"].file).touch()
    said: dict[int, str] = {}
    for context in (12_000, 32_768):
        async with await Runtime.open(Config(home=home, engine=EngineConfig(context=context))) as runtime:
            found = {finding.what: finding.message for finding in probe.contexts(runtime)}
            assert set(found) == {"context of qwen2.5-coder-1.5b", "context of tiny"}
            said[context] = found["context of qwen2.5-coder-1.5b"]
    assert said[12_000].startswith("12,000 tokens, room for the first prompt of Codex CLI, opencode")
    assert said[12_000].endswith("too short for Claude Code (18,000 tokens)")
    assert said[32_768].endswith("room for the first prompt of Codex CLI, Claude Code, opencode, aider")


class TestSandbox:
    async def test_says_which_rung_works(self) -> None:
        finding = await probe.sandbox()
        assert finding.message.startswith(("bubblewrap: ", "landlock: ")) == finding.ok

    @pytest.mark.parametrize(
        ("group", "memory"),
        [(True, "kept by a cgroup"), (False, "counted, since no cgroup can be written here")],
    )
    async def test_says_why_a_higher_one_doesnt(
        self, monkeypatch: pytest.MonkeyPatch, group: bool, memory: str
    ) -> None:
        async def writable() -> bool:
            return group

        high, low = ISOLATION_LEVELS
        monkeypatch.setattr(probe, "writable", writable)
        monkeypatch.setattr(
            probe,
            "find_isolation_level",
            tried(LevelTrial(high, "it isn't installed"), LevelTrial(low, None)),
        )
        finding = await probe.sandbox()
        assert finding.ok
        assert finding.message == (
            f"landlock: {low.promises}\nmemory is {memory}\nbubblewrap doesn't work: it isn't installed"
        )

    async def test_says_what_to_do_where_none_works(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            probe, "find_isolation_level", tried(*(LevelTrial(level, "no") for level in ISOLATION_LEVELS))
        )
        finding = await probe.sandbox()
        assert not finding.ok
        assert "landlock doesn't work: no" in finding.message
        assert "bubblewrap" in str(finding.fix)


def tried(*levels: LevelTrial) -> Callable[[], Awaitable[list[LevelTrial]]]:
    async def find() -> list[LevelTrial]:
        return list(levels)

    return find
