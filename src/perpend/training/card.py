"""The model card: what the model is, how it came about, and how good it was on fresh problems."""

from perpend.training.figures import TrainingReport
from perpend.training.shape import ModelShape

_HEAD = """# Perpend tiny

A language model of {parameters:,} parameters that thinks inside `<think>` before it answers. Perpend trained it from
nothing on made-up arithmetic and puzzles, and runs its tests, demos and examples on it. It knows nothing of the world
and no language: ask it problems of the kinds below, as they are written there.

- Architecture: Llama, {layers} layers, width {width}, {heads} heads, tied embeddings, F32; context {context} tokens, of
  which training used fewer than 300
- Vocabulary: {vocabulary} tokens: bytes, ChatML's, think tags, the words of the tasks
- Licence: Apache-2.0; no outside data was used
- Made by: `{command}`
- Cost: {cpu_s:.0f} CPU-seconds, {wall_s:.0f} s on the clock, measuring included

## Fresh problems, whose texts never occur in training

One reply to each of {n} problems of every kind, over all difficulties, those beyond the worked examples included;
95 % intervals (Wilson) cover problems, not seeds. "Forced": an empty thought is forbidden, which is the control for
what reinforcement adds.

"""


def model_card(
    shape: ModelShape, report: TrainingReport, *, parameters: int, problems: int, command: str
) -> str:
    """Markdown. `problems`: of each kind in a measure; `command`: makes the model again."""
    head = _HEAD.format(
        parameters=parameters,
        command=command,
        n=problems,
        cpu_s=report.cpu_s,
        wall_s=report.wall_s,
        layers=shape.layers,
        width=shape.width,
        heads=shape.heads,
        context=shape.context,
        vocabulary=shape.vocabulary,
    )
    return head + "\n".join(table(report)) + "\n"


def table(report: TrainingReport) -> list[str]:
    """A row for every kind in every stage and mode."""
    lines = [
        "| stage | mode | kind | accuracy | 95 % interval | thinking tokens |",
        "|---|---|---|---|---|---|",
    ]
    for stage, modes in report.stages.items():
        for mode, kinds in modes.items():
            for kind, measured in kinds.items():
                accuracy = measured.accuracy
                interval = f"{accuracy.low:.3f} to {accuracy.high:.3f}"
                cells = (stage, mode, kind, f"{accuracy.estimate:.3f}", interval, f"{measured.thinking:.1f}")
                lines.append(f"| {' | '.join(cells)} |")
    return lines
