"""What a harness itself costs: as many questions to a fake endpoint without delay, each answered alike and graded.

    python -m benchmarks.harness_overhead --n 10000 --at-once 32 --rounds 2

`perpend eval run` through a row of a provider and through a gateway, its run on the replay backend (no HTTP),
inspect-ai and lm-evaluation-harness, in turn within a round: whole processes, from their start to their logs on the
disk, with every setting but the concurrency at its default. CPU is the process's own (and its children's), which other
work on the machine hardly changes; seconds are the clock's. The upstream's CPU and the gateway's aren't counted.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import machine
from benchmarks.harnesses.peers import ENVIRONMENT, HERE, INSPECT, LM_EVAL, Asked
from benchmarks.load import gateways
from benchmarks.load.dialects import MODEL
from benchmarks.load.processes import free_port, started

ROOT = HERE.parent.parent
PERPEND = [sys.executable, "-m", "perpend"]
CONFIG = """\
[defaults]
model = "fake-reasoner"

[serve]
require_keys = "never"
port = {port}

[providers.fake]
base_url = "{upstream}"

[models.fake-reasoner]
provider = "fake"
price = {{ input = 1.0, output = 4.0 }}
"""
TASK = """\
task: {task}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{gold}}}}"
generation_kwargs: {{until: []}}
filter_list:
  - name: said
    filter: [{{function: regex, regex_pattern: "({gold})"}}, {{function: take_first}}]
metric_list: [{{metric: exact_match}}]
"""
GOLD = "forty-two"


class Cost(NamedTuple):
    seconds: float
    cpu_s: float
    peak_mib: float


class Bench(NamedTuple):
    home: Path
    suites: dict[str, Path]
    """The same questions, as each harness reads them."""
    upstream: str
    gateway: str
    at_once: int


def environment(home: Path) -> dict[str, str]:
    return {**gateways.environment(home), **ENVIRONMENT, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}


def timed(command: list[str], home: Path, **env: str) -> Cost:
    """A process to its end. Raises SystemExit with its output's end where it fails."""
    log = home / "log"
    began = time.perf_counter()
    with log.open("wb") as out:
        given = {**environment(home), **env}
        process = subprocess.Popen(command, stdout=out, stderr=out, env=given, cwd=HERE)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"{' '.join(command)}\n{log.read_text()[-3000:]}")
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def perpend(bench: Bench, out: Path, *more: str) -> Cost:
    command = [*PERPEND, "eval", "run", str(bench.suites["perpend"]), "--parallel", str(bench.at_once)]
    return timed(
        [*command, "--out", str(out), "--config", str(bench.home / "perpend.toml"), *more], bench.home
    )


def through_gateway(bench: Bench, out: Path) -> Cost:
    return perpend(bench, out, "--target", bench.gateway)


def replayed(bench: Bench, out: Path) -> Cost:
    module = [sys.executable, "-m", "benchmarks.harnesses.replayed", str(bench.suites["perpend"])]
    return timed([*module, str(bench.home / "perpend.toml"), str(out), str(bench.at_once)], bench.home)


def inspect(bench: Bench, out: Path) -> Cost:
    asked = Asked(bench.upstream, MODEL, bench.at_once)
    command = asked.by_inspect(HERE / "overhead_inspect.py", out)
    return timed(command, bench.home, PERPEND_TEST=str(bench.suites["others"]))


def lm_eval(bench: Bench, out: Path) -> Cost:
    asked = Asked(bench.upstream, MODEL, bench.at_once)
    return timed(asked.by_lm_eval(bench.suites["lm-eval"], out), bench.home)


WAYS: dict[str, Callable[[Bench, Path], Cost]] = {
    "perpend": perpend,
    "perpend, gateway": through_gateway,
    "perpend, replay": replayed,
    "inspect-ai": inspect,
    "lm-eval": lm_eval,
}


def right(out: Path) -> int:
    """Samples that were graded right, by whichever log there is: what wasn't graded wasn't measured."""
    if not (out / "run.json").exists():
        (log,) = [*out.rglob("*.eval"), *out.rglob("samples_*.jsonl")]
        command = [*PERPEND, "eval", "import", str(log), "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lines = (out / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(json.loads(line)["verdict"]["passed"] for line in lines)


def suites(home: Path, n: int) -> dict[str, Path]:
    ours, others, task = home / "ours.jsonl", home / "others.jsonl", home / "overhead_local.yaml"
    asked = [
        (f"q{i}", f"What is the sum of the first {i} odd numbers? Think step by step.") for i in range(n)
    ]
    rows = [{"id": id_, "question": question, "gold": GOLD} for id_, question in asked]
    regex = {"gold": f".*{GOLD}.*", "verifier": "regex"}
    ours.write_text("".join(json.dumps({**row, **regex}) + "\n" for row in rows))
    others.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task.write_text(TASK.format(task=task.stem, file=others, gold=GOLD))
    return {"perpend": ours, "others": others, "lm-eval": task}


@contextmanager
def prepared(n: int, at_once: int) -> Generator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder), free_port()
        serving = home / "gateway"
        serving.mkdir()
        with gateways.upstream(None, home, 0.0) as upstream:
            config = CONFIG.format(port=port, upstream=upstream.endpoint.url)
            for place in (home, serving):
                (place / "perpend.toml").write_text(config)
            command = [*PERPEND, "serve", "--config", str(serving / "perpend.toml")]
            with started("gateway", command, core=None, env=environment(serving), home=serving) as running:
                running.wait_ready(port, "/readyz")
                yield Bench(
                    home, suites(home, n), upstream.endpoint.url, f"http://127.0.0.1:{port}/v1", at_once
                )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--n", type=int, default=10_000)
    options.add_argument("--at-once", type=int, default=32)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--ways", default=",".join(name.replace(", ", "+") for name in WAYS))
    given = options.parse_args()
    for peer in (INSPECT, LM_EVAL):
        peer.install()
    names = [name.replace("+", ", ") for name in given.ways.split(",")]
    print(machine.one_line(), f"inspect-ai {INSPECT.version} lm-eval {LM_EVAL.version}", flush=True)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    with prepared(given.n, given.at_once) as bench:
        for number in range(given.rounds):
            for name in names:
                out = bench.home / f"{name}-{number}"
                cost = WAYS[name](bench, out)
                costs[name].append(cost)
                print(f"# {name}: {cost}, {right(out)} right", file=sys.stderr, flush=True)
    print("| | samples/s | CPU, ms a sample | samples/s of CPU | peak MiB |\n|---|---|---|---|---|")
    for name, of in costs.items():
        seconds, cpu, peak = (statistics.median(column) for column in zip(*of, strict=True))
        print(
            f"| {name} | {given.n / seconds:.0f} | {cpu / given.n * 1e3:.2f} | {given.n / cpu:.0f} | {peak:.0f} |"
        )


if __name__ == "__main__":
    main()
