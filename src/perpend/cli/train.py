"""`perpend train`: train a model. Joins `data` and `training`, which don't import each other."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from perpend.cli.console import note, print_json
from perpend.cli.options import Degree, Json, Tokens, Whole
from perpend.errors import BadRequest, ConfigError
from perpend.extras import install

if TYPE_CHECKING:
    from perpend.training.model import Llama
    from perpend.training.recipe import Listener, Recipe, TrainingProgress

app = App(name="train", help="Train models. Needs the extra `training` (torch).")
_PRINT_EVERY_S = 5.0


@app.command
def tiny(
    *,
    out: Path = Path("out/tiny"),
    seed: Whole = 1,
    threads: Tokens = 0,
    scale: Annotated[Degree, Parameter(help="Share of all steps and test problems: 0.01 for a trial.")] = 1.0,
    json: Json = False,
) -> None:
    """Train the tiny reasoner from nothing: worked examples, reinforcement, export.

    Killed and started again, it goes on where it was. The same seed, scale and number of threads on the same machine
    give the same weights.

    Examples: `perpend train tiny --scale 0.01 --out out/trial`, `perpend train tiny --seed 1 --out out/seed1`

    Parameters
    ----------
    out
        The run's folder: log, checkpoint, measures, plots, and the model in the end.
    seed
        Decides every draw.
    threads
        0: as many as there are cores.
    json
        Print an object with the `model`'s path.
    """
    # threads that wait for each other should sleep: other programs may need the cores
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from perpend.training import recipe as recipes
    except ImportError as error:
        raise ConfigError(f"{error.name} isn't installed", hint=install("perpend[training]")) from None
    from perpend.data.curriculum import Curriculum

    recipe = recipes.scaled(recipes.Recipe(seed=seed), scale)
    try:
        model = recipes.train(recipe, Curriculum(), out, _progress_printer(), threads=threads)
    except ValueError as error:
        raise BadRequest(str(error), hint="name another folder with --out", field="--out") from None
    options = (f" --threads {threads}" if threads else "") + (f" --scale {scale:g}" if scale != 1 else "")
    _finish(model, recipe, out, f"perpend train tiny --seed {seed}{options}")
    weights = out / "tiny.gguf"
    print_json({"model": weights}) if json else print(weights)


def _finish(model: "Llama", recipe: "Recipe", out: Path, command: str) -> None:
    import msgspec

    from perpend.training import card, export, figures, plots

    export.write_gguf(model, out / "tiny.gguf", "perpend-tiny")
    export.write_safetensors(model, out)
    report = msgspec.json.decode((out / "measured.json").read_bytes(), type=figures.TrainingReport)
    text = card.model_card(
        recipe.shape,
        report,
        parameters=export.parameters(model),
        problems=recipe.problems,
        command=command,
    )
    (out / "README.md").write_text(text)
    plots.draw(out / "log.jsonl", out)


def _progress_printer() -> "Listener":
    printed_at = 0.0

    def show(progress: "TrainingProgress") -> None:
        nonlocal printed_at
        now = time.monotonic()
        finished = progress.done == progress.steps
        if not finished and now - printed_at < (0.2 if sys.stderr.isatty() else _PRINT_EVERY_S):
            return
        printed_at = now
        eta = f" · {progress.eta_s / 60:.0f} min left" if progress.eta_s else ""
        figures = " ".join(f"{name} {value:.3g}" for name, value in progress.row.items())
        line = f"{progress.stage} {progress.done}/{progress.steps} {figures}{eta}"
        if sys.stderr.isatty() and not finished:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        else:
            note(f"\r\x1b[K{line}" if sys.stderr.isatty() else line)

    return show
