# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""What a second look repairs and what it breaks, before reinforcement and after it: the model itself, temperature 1.

    python -m benchmarks.tiny_repair RUN/cold_start.pt RUN/grpo.pt

Thoughts that didn't check themselves are made to, on problems no harder than the worked examples. Needs the extra
`training`; RUN is a folder of `perpend train tiny`.
"""

import argparse
from collections import Counter
from pathlib import Path

import torch

from benchmarks import machine
from perpend.data.curriculum import Curriculum
from perpend.data.tasks import TaskProblem, kinds
from perpend.data.thoughts import CHECK
from perpend.statistics import proportion
from perpend.training.grpo import reward
from perpend.training.model import Llama
from perpend.training.sampling import sample
from perpend.training.shape import ModelShape
from perpend.training.tokenizer import SIZE, encode, prompt_of, read_reply

MOST = 224
AT_ONCE = 128


def replies(model: Llama, prompts: list[list[int]], seed: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    found: list[list[int]] = []
    for start in range(0, len(prompts), AT_ONCE):
        found += sample(model, prompts[start : start + AT_ONCE], max_tokens=MOST, generator=generator)
    return found


def examine(model: Llama, problems: list[TaskProblem]) -> None:
    drafts = []
    for problem, reply in zip(
        problems, replies(model, [prompt_of(p.text) for p in problems], 1), strict=True
    ):
        thought, _ = read_reply(reply)
        if thought and CHECK not in thought:
            drafts.append((problem, thought, reward(problem, reply)))
    begun = [encode(f"{thought}\n{CHECK}\n") for _, thought, _ in drafts]
    asked = [prompt_of(problem.text) + head for (problem, _, _), head in zip(drafts, begun, strict=True)]
    looked = [
        reward(problem, head + reply)
        for (problem, _, _), head, reply in zip(drafts, begun, replies(model, asked, 2), strict=True)
    ]
    pairs = Counter(zip((first for _, _, first in drafts), looked, strict=True))
    for name, right in (("draft", sum(first for _, _, first in drafts)), ("looked again", sum(looked))):
        found = proportion(int(right), len(drafts))
        print(f"{name:14} {found.estimate:.3f} [{found.low:.3f} to {found.high:.3f}], n = {len(drafts)}")
    print(f"repaired {pairs[0.0, 1.0]}, broken {pairs[1.0, 0.0]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--problems", type=int, default=100, help="of each kind")
    options = parser.parse_args()
    print(machine.one_line())
    problems: list[TaskProblem] = []
    for kind in kinds.names():
        taught = kinds.get(kind).taught
        some = [p for p in Curriculum().fresh(9, kind, 4 * options.problems) if p.difficulty in taught]
        problems += some[: options.problems]
    for path in options.weights:
        model = Llama(ModelShape(SIZE))
        model.load_state_dict(torch.load(path, weights_only=True))
        print(f"\n{path}")
        examine(model, problems)


if __name__ == "__main__":
    main()
