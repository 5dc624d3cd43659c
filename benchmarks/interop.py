"""GSM8K by inspect-ai and lm-evaluation-harness through `perpend serve`, and the same samples graded by `math`.

    python -m benchmarks.interop --model qwen2.5-coder-0.5b --limit 20 --out interop

Needs ../shared/data beside the checkout and the model's weights; the harnesses are installed once, each in an
environment of its own. Both ask with the prompt, the examples and the grader that they have for GSM8K. Their logs are
imported twice, with their verdicts and graded anew; where the two differ, the answer's end is printed. Then the runs
are exported, and each harness reads what it's given with its own code.

`--model recorded/175b_verification --efforts none --limit 1319 --at-once 16`: in a model's place, a server that gives
the published solutions of a system (6b_finetuning, 6b_verification, 175b_finetuning, 175b_verification): graders on all
of the test set, in minutes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import machine
from benchmarks.harnesses.peers import ENVIRONMENT, HERE, INSPECT, LM_EVAL, Asked, lm_eval_task
from benchmarks.load.processes import free_port, started
from perpend.config import home_dir
from perpend.evals.runs.folder import read_problems, read_samples
from perpend.evals.runs.samples import Sample
from perpend.statistics import proportion

DATA = Path(__file__).parents[2] / "shared" / "data" / "evals"
PERPEND = [sys.executable, "-m", "perpend"]
RECORDED = "recorded/"
SCORERS = {
    "inspect": ("match",),
    "lm-eval": ("exact_match,strict-match", "exact_match,flexible-extract"),
}
READ_LOG = """
import sys
from inspect_ai.log import read_eval_log
log = read_eval_log(sys.argv[1])
thoughts = sum(part.type == "reasoning" for one in log.samples for part in one.output.message.content)
print(log.results.scores[0].metrics["accuracy"].value, len(log.samples), "samples", thoughts, "thoughts")
"""
READ_RESULTS = """
import glob, json, sys
import datasets
from lm_eval.utils import get_latest_filename, get_results_filenames, get_sample_results_filenames, make_table
datasets.disable_progress_bars()
files = glob.glob(sys.argv[1] + "/*/*")
latest = get_latest_filename(get_results_filenames(files))
rows = datasets.load_dataset("json", data_files=get_sample_results_filenames(files), split="train")
print(make_table(json.load(open(latest))), rows.num_rows, "samples")
"""


def split(name: str, to: Path) -> Path:
    """As the hub has it: the answer is the solution with the number behind `####`."""
    with (
        (DATA / f"gsm8k_{name}.jsonl").open(encoding="utf-8") as lines,
        to.open("w", encoding="utf-8") as out,
    ):
        for row in map(json.loads, lines):
            out.write(json.dumps({"question": row["question"], "answer": row["solution"]}) + "\n")
    return to


@contextmanager
def gateway(model: str, home: Path) -> Generator[str]:
    """`perpend serve` with a store of its own, on weights that are here or on recorded solutions; its base URL."""
    port, config = free_port(), home / "perpend.toml"
    store = f'[storage]\npath = "{home / "perpend.db"}"\n'
    env = {**os.environ, "PERPEND_HOME": str(home_dir())}
    with ExitStack() as stack:
        if (system := model.removeprefix(RECORDED)) != model:
            upstream = stack.enter_context(recorded(system, home))
            store += f'[providers.recorded]\nbase_url = "{upstream}"\n'
        config.write_text(store)
        command = [*PERPEND, "serve", "--model", model, "--port", str(port), "--config", str(config)]
        running = stack.enter_context(started("perpend", command, core=None, env=env, home=home))
        running.wait_ready(port, "/readyz")
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def recorded(system: str, home: Path) -> Generator[str]:
    port, solved = free_port(), DATA.parent / "outcomes" / "gsm8k_model_solutions.jsonl"
    module = [
        sys.executable,
        "-m",
        "benchmarks.harnesses.recorded",
        str(DATA / "gsm8k_test.jsonl"),
        str(solved),
    ]
    env = {**os.environ, "PYTHONPATH": f"{HERE.parent.parent}:{os.environ.get('PYTHONPATH', '')}"}
    with started("recorded", [*module, system, str(port)], core=None, env=env, home=home) as running:
        running.wait_ready(port, "/")
        yield f"http://127.0.0.1:{port}/v1"


def run(command: list[str], logs: Path, **env: str) -> None:
    """`logs` is there only when the command, which writes `logs.part`, was through."""
    given, said = {**os.environ, **ENVIRONMENT, **env}, logs.with_suffix(".log")
    with said.open("ab") as out:
        ended = subprocess.run(command, stdout=out, stderr=out, env=given, cwd=HERE, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} failed: see {said}")
    logs.with_suffix(".part").rename(logs)


def ask(given: argparse.Namespace, out: Path) -> None:
    """Both harnesses, at each effort; what is there already isn't asked again."""
    files = {name: str(split(name, out / f"{name}.jsonl")) for name in ("train", "test")}
    splits = {f"PERPEND_{name.upper()}": file for name, file in files.items()}
    task = lm_eval_task(out / "gsm8k_local.yaml", "gsm8k/gsm8k.yaml", files)
    limit = ["--limit", str(given.limit)]
    with gateway(given.model, out) as url:
        asked = Asked(url, given.model, given.at_once)
        for effort in given.efforts.split(","):
            if not (logs := out / f"inspect-{effort}").exists():
                command = asked.by_inspect(HERE / "gsm8k_inspect.py", logs.with_suffix(".part"))
                run([*command, *limit, "--reasoning-effort", effort], logs, **splits)
            if not (logs := out / f"lm-eval-{effort}").exists():
                command = asked.by_lm_eval(task, logs.with_suffix(".part"))
                run([*command, *limit, "--gen_kwargs", f"reasoning_effort={effort}"], logs)


class Graded(NamedTuple):
    """One log: who made it, and its samples by each grader, the harness's own first and ours last."""

    name: str
    by: dict[str, list[Sample]]
    runs: dict[str, Path]


def imported(log: Path, out: Path, name: str, *more: str) -> Path:
    """`perpend eval import`, into a new folder."""
    folder = out / "runs" / name
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([*PERPEND, "eval", "import", str(log), "--out", str(folder), *more], check=True)
    return folder


def graded(out: Path, effort: str) -> Generator[Graded]:
    for harness, scorers in SCORERS.items():
        name = f"{harness}-{effort}"
        runs = {
            scorer: imported(out / name, out, f"{name}-{scorer}", "--scorer", scorer) for scorer in scorers
        }
        runs["math"] = imported(out / name, out, f"{name}-math", "--verifier", "math")
        yield Graded(name, {scorer: read_samples(run) for scorer, run in runs.items()}, runs)


def told(one: Graded) -> None:
    """A line for each grader, and each sample on which it and ours differ."""
    ours = one.by["math"]
    for grader, theirs in one.by.items():
        right = proportion(sum(sample.correct for sample in theirs), len(theirs))
        differ = [
            (their, our) for their, our in zip(theirs, ours, strict=True) if their.correct != our.correct
        ]
        thinking = sum(sample.usage.thinking for sample in theirs) / len(theirs)
        print(
            f"| {one.name} | {grader} | {right.estimate:.2f} ({right.low:.2f} to {right.high:.2f}) "
            f"| {len(theirs)} | {thinking:.0f} | {len(differ)} |"
        )
        for their, our in differ:
            gold = read_problems(one.runs["math"])[our.problem].gold or ""
            said = f"gold {gold[-12:]!r}, theirs {their.correct}, ours {our.correct}"
            print(f"  {our.problem}: {said}: … {our.answer[-160:]!r}", file=sys.stderr)


def read_by_themselves(run: Path, out: Path) -> None:
    """Our exports in the harnesses' own hands: the accuracy that each finds there."""
    log, results = out / "exported.eval", out / "exported"
    log.unlink(missing_ok=True)
    shutil.rmtree(results, ignore_errors=True)
    for to, place in (("inspect", log), ("lm-eval", results)):
        subprocess.run([*PERPEND, "eval", "export", str(run), "--to", to, "--out", str(place)], check=True)
    for peer, code, place in ((INSPECT, READ_LOG, log), (LM_EVAL, READ_RESULTS, results)):
        command = [peer.program("python"), "-c", code, str(place)]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        print(f"{peer.name} reads from our export of {run.name}: {found}")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", default="qwen2.5-coder-0.5b")
    options.add_argument("--limit", type=int, default=20)
    options.add_argument("--efforts", default="none,medium")
    options.add_argument("--at-once", type=int, default=2)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    for peer in (INSPECT, LM_EVAL):
        peer.install()
    print(machine.one_line())
    out: Path = given.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    ask(given, out)
    print("| run | grader | right (95 %) | n | thinking tokens | not as `math` |\n|---|---|---|---|---|---|")
    runs = [one for effort in given.efforts.split(",") for one in graded(out, effort)]
    for one in runs:
        told(one)
    read_by_themselves(runs[0].runs["match"], out)


if __name__ == "__main__":
    main()
