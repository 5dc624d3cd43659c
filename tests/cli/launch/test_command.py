"""`perpend launch`: an agent on PATH is told of a gateway by its own means, and what it used is accounted for."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from commands import PERPEND, environment, run
from fake_server import serving
from gateway import running
from scripted import until
from wire_server import Server

from perpend.cli.launch.agents import agents
from perpend.storage.keys import KeyRing, list_keys
from perpend.storage.store import Store

AGENT = r"""
# Writes down how it was started, finds the gateway and the key in that, and asks.
import glob, json, os, re, sys, urllib.request

words = [*sys.argv[1:], *os.environ.values()]
folders = {folder for word in words for folder in re.findall(r'/[^ ":]*/perpend-[^/ "]+', word)}
files = {name: open(name).read() for folder in folders for name in glob.glob(folder + "/*")}
json.dump({"argv": sys.argv[1:], "folders": list(folders)}, open("told.json", "w"))
mine = json.dumps([words, files])
url, key = re.search(r"http://127\.0\.0\.1:\d+", mine)[0], re.search(r"pk-[\w-]{43}", mine)[0]
body = json.dumps({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}).encode()
asked = urllib.request.Request(url + "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
with urllib.request.urlopen(asked, timeout=float(os.environ.get("PATIENCE_S", "60"))) as reply:
    print(json.load(reply)["choices"][0]["message"]["content"], sys.stdin.read(), flush=True)
exec(os.environ.get("THEN", ""))
"""
"""Stands in for each of them: the stock programs are tried by `python -m benchmarks.clients --all`."""
REPLY = b"""data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}

data: {"choices": [{"delta": {"content": "four"}, "finish_reason": "stop"}]}

data: {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 12,
data:  "completion_tokens_details": {"reasoning_tokens": 8}}}

data: [DONE]

"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for row in agents().values():
        (folder / row.command).write_text(f"#!{sys.executable}{AGENT}")
        (folder / row.command).chmod(0o755)
    return tmp_path


class Upstream(Server):
    silent = False
    """Says nothing until whoever asked has gone."""

    async def answer(self, request: web.Request) -> web.Response:
        if self.silent:
            await until(lambda: request.transport is None)
        return await super().answer(request)


@asynccontextmanager
async def upstream(home: Path, port: int = 1) -> AsyncGenerator[Upstream, None]:
    """A provider that the config in `home` names."""
    server, app = Upstream([REPLY]), web.Application()
    app.router.add_post("/{path:.*}", server.answer)
    async with serving(app) as url:
        (home / "perpend.toml").write_text(
            f'[defaults]\nmodel = "m"\n[serve]\nport = {port}\n[providers.here]\nbase_url = "{url}"\n'
            f'[models.m]\nprovider = "here"\ncontext = 65536\nprice = {{input = 2, output = 10}}\n'
        )
        yield server


def outside(home: Path) -> dict[str, str]:
    return {"PATH": f"{home / 'bin'}:{os.environ['PATH']}"}


async def launched(home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(run, home, "launch", *words, **outside(home), **more)


def told(home: Path) -> dict[str, list[str]]:
    return json.loads((home / "told.json").read_text())


def used(home: Path) -> list[dict[str, Any]]:
    return json.loads(run(home, "usage", "--by", "key", "--json").stdout)["rows"]


@pytest.mark.parametrize("name", ["codex", "claude"])
async def test_an_agent_is_told_of_a_gateway_and_what_it_used_is_accounted_for(home: Path, name: str) -> None:
    async with upstream(home) as server:
        done = await launched(home, name, "--effort", "low", "--", "-p", "a b")
        assert done.returncode == 0, done.stderr
    assert done.stdout == "four \n"
    assert told(home)["argv"][-2:] == ["-p", "a b"]
    (asked,) = server.asked
    assert (asked.body["model"], asked.body["reasoning_effort"]) == ("m", "low")
    (row,) = used(home)
    assert row["key"].startswith(f"launch-{name}-")
    assert f"{row['key']} used 1 request · 20 tokens in (0 cached) · 8 thinking · 4 answer" in done.stderr
    assert "$0.00016 · cut short: nothing" in done.stderr
    with Store.open(home / "perpend.db") as store:
        (key,) = list_keys(store)
        assert key.revoked_at is not None
        assert not KeyRing(store).any_exist
    assert not any(map(os.path.exists, told(home)["folders"]))


async def test_the_agent_keeps_its_streams_and_its_exit_status(home: Path) -> None:
    async with upstream(home):
        done = await launched(home, "llm", stdin="piped", THEN="sys.exit(7)")
    assert (done.returncode, done.stdout) == (7, "four piped\n")


async def test_the_account_is_a_line_of_json_where_that_is_asked_for(home: Path) -> None:
    async with upstream(home):
        done = await launched(home, "llm", "--json")
    account = json.loads(done.stderr.splitlines()[-1])
    (row,) = used(home)
    assert account == {**row, "cut_short": {}}


async def test_what_the_agent_asks_twice_is_answered_from_the_response_cache_where_that_is_on(
    home: Path,
) -> None:
    async with upstream(home) as server:
        again = "urllib.request.urlopen(asked, timeout=60).close()"
        done = await launched(home, "llm", "--json", THEN=again, PERPEND_CACHE__USE="always")
    account = json.loads(done.stderr.splitlines()[-1])
    assert (account["requests"], account["cache_hits"], account["saved_tokens"]) == (2, 1, 32)
    assert len(server.asked) == 1


async def test_one_that_crashes_is_accounted_for_and_its_key_revoked(home: Path) -> None:
    async with upstream(home):
        done = await launched(home, "llm", THEN="os.kill(os.getpid(), 9)")
    assert done.returncode == 128 + signal.SIGKILL
    assert "used 1 request" in done.stderr
    with Store.open(home / "perpend.db") as store:
        assert [key.revoked_at is None for key in list_keys(store)] == [False]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 3), (signal.SIGTERM, 128 + signal.SIGTERM)])
async def test_signals_are_the_agent_s(home: Path, number: signal.Signals, status: int) -> None:
    """Ctrl-C reaches both through the terminal, and means what the agent makes of it; others are passed on."""
    then = "import signal; signal.signal(2, lambda *_: sys.exit(3)); print('now', flush=True); signal.pause()"
    async with upstream(home):
        process = await asyncio.create_subprocess_exec(
            *PERPEND,
            *("launch", "llm"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(home, **outside(home), THEN=then),
            cwd=home,
            start_new_session=True,
        )
        assert process.stdout is not None
        while b"now" not in await process.stdout.readline():
            pass
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, said = await process.communicate()
    assert process.returncode == status
    assert b"used 1 request" in said


async def test_where_the_agent_is_stopped_the_shell_gets_its_terminal_back(home: Path) -> None:
    """And where it goes on, so does the agent."""

    def run_and_go_on() -> tuple[int, str]:
        then = "import signal; os.kill(os.getpid(), signal.SIGSTOP); print('again')"
        given: dict[str, Any] = {
            "env": environment(home, **outside(home), THEN=then),
            "cwd": home,
            "text": True,
        }
        command = [*PERPEND, "launch", "llm"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **given) as process:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            process.send_signal(signal.SIGCONT)
            said, _ = process.communicate()
        return process.returncode, said

    async with upstream(home):
        assert await asyncio.to_thread(run_and_go_on) == (0, "four \nagain\n")


async def test_a_gateway_that_runs_here_is_joined_and_goes_on(home: Path, unused_tcp_port: int) -> None:
    async with upstream(home, port=unused_tcp_port):
        with running(home, unused_tcp_port) as front:
            done = await launched(home, "llm")
            assert f"joined the gateway at {front.url}" in done.stderr
            assert "used 1 request" in done.stderr
            assert front.process.poll() is None


async def test_one_of_another_store_is_not(home: Path, unused_tcp_port: int) -> None:
    """It knows nothing of the key, and would let anybody in."""
    other = home / "other"
    other.mkdir()
    (other / "perpend.toml").write_text('[defaults]\nmodel = "tiny"\n')
    async with upstream(home, port=unused_tcp_port):
        with running(other, unused_tcp_port):
            done = await launched(home, "llm")
    assert "joined" not in done.stderr
    assert "used 1 request" in done.stderr


async def test_a_joined_gateway_that_dies_is_told_of(home: Path, unused_tcp_port: int) -> None:
    async with upstream(home, port=unused_tcp_port):
        with running(home, unused_tcp_port) as front:
            done = await launched(home, "llm", THEN=f"os.kill({front.process.pid}, 9)")
    assert f"{front.url} no longer answers" in done.stderr
    assert "used 1 request" in done.stderr


async def test_what_is_cut_short_is_in_the_account(home: Path) -> None:
    """Such as the answer that an agent left in the middle."""
    async with upstream(home) as server:
        server.silent = True
        done = await launched(home, "llm", PATIENCE_S="0.5")
    assert done.returncode == 1
    assert "used 1 request" in done.stderr
    assert "cut short: 1 cancelled" in done.stderr


async def test_a_run_is_held_under_its_cap(home: Path) -> None:
    async with upstream(home) as server:
        done = await launched(home, "llm", "--max-cost", "0.0001", "--", "-p", "a b")
    assert server.asked == []
    assert done.returncode != 0
    assert "used 0 requests" in done.stderr


def test_one_that_isn_t_there_says_how_to_get_it(tmp_path: Path) -> None:
    done = run(tmp_path, "launch", "codex", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "npm install -g @openai/codex" in done.stderr


def test_one_that_is_not_known_is_bad_use(tmp_path: Path) -> None:
    done = run(tmp_path, "launch", "codx")
    assert done.returncode == 2
    assert "did you mean 'codex'?" in done.stderr
