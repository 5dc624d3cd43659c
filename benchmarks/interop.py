"""GSM8K by inspect-ai and lm-evaluation-harness through `perpend serve`, and the same samples graded by `math`.

    python -m benchmarks.interop --model qwen2.5-coder-0.5b --limit 20 --out interop

Needs ../shared/data beside the checkout and the model's weights; the harnesses are installed once, each in an
environment of its own. Both ask with the prompt, the examples and the grader that they have for GSM8K. Their logs are
imported twice, with their verdicts and graded anew; where the two differ, the answer's end is printed. Then the runs
are exported, and each harness reads what it's given with its own code.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine
from benchmarks.harnesses.peers import ENVIRONMENT, HERE, INSPECT, LM_EVAL, Asked, lm_eval_task
from benchmarks.load.processes import free_port, started
from perpend.config import home_dir

DATA = Path(__file__).parents[2] / "shared" / "data" / "evals"
PERPEND = [sys.executable, "-m", "perpend"]


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
    """`perpend serve` on the weights that are here, with a store of its own; its base URL."""
    port, config = free_port(), home / "perpend.toml"
    config.write_text(f'[storage]\npath = "{home / "perpend.db"}"\n')
    command = [*PERPEND, "serve", "--model", model, "--port", str(port), "--config", str(config)]
    env = {**os.environ, "PERPEND_HOME": str(home_dir())}
    with started("perpend", command, core=None, env=env, home=home) as running:
        running.wait_ready(port, "/readyz")
        yield f"http://127.0.0.1:{port}/v1"


def run(command: list[str], log: Path, **env: str) -> None:
    given = {**os.environ, **ENVIRONMENT, **env}
    with log.open("ab") as out:
        ended = subprocess.run(command, stdout=out, stderr=out, env=given, cwd=HERE, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} failed: see {log}")


def ask(given: argparse.Namespace, out: Path) -> None:
    """Both harnesses, at each effort; what is there already isn't asked again."""
    files = {name: str(split(name, out / f"{name}.jsonl")) for name in ("train", "test")}
    task = lm_eval_task(out / "gsm8k_local.yaml", "gsm8k/gsm8k.yaml", files)
    with gateway(given.model, out) as url:
        asked = Asked(url, given.model, given.at_once)
        for effort in given.efforts.split(","):
            inspect, lm_eval = out / f"inspect-{effort}", out / f"lm-eval-{effort}"
            limit = ["--limit", str(given.limit)]
            if not list(inspect.glob("*.eval")):
                command = asked.by_inspect(HERE / "gsm8k_inspect.py", inspect)
                splits = {f"PERPEND_{name.upper()}": file for name, file in files.items()}
                run([*command, *limit, "--reasoning-effort", effort], out / "inspect.log", **splits)
            if not list(lm_eval.glob("*/results_*.json")):
                command = asked.by_lm_eval(task, lm_eval)
                run([*command, *limit, "--gen_kwargs", f"reasoning_effort={effort}"], out / "lm-eval.log")


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


if __name__ == "__main__":
    main()
