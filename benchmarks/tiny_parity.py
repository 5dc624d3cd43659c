# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""Whether llama.cpp says what torch says: greedy tokens of the shipped GGUF against those of its safetensors.

    python -m benchmarks.tiny_parity --problems 500 [--folder RUN]

Needs the extra `training`. Where the two part, the gap between torch's two likeliest tokens is shown: a gap near zero
is a tie that rounding decides.
"""

import argparse
import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import torch

from benchmarks import machine
from perpend.config.schema import EngineConfig
from perpend.data.tasks import fresh, kinds
from perpend.engine.catalogue import find
from perpend.engine.supervisor import Engine
from perpend.training.export import read_safetensors
from perpend.training.model import Llama
from perpend.training.sampling import sample
from perpend.training.tokenizer import END, decode, prompt_of

MOST = 224


async def engine_replies(gguf: Path, prompts: list[list[int]]) -> list[list[int]]:
    with TemporaryDirectory() as home:
        engine = Engine("tiny", gguf, EngineConfig(slots=8), home=Path(home), context=512)
        url = await engine.ready()
        try:
            async with aiohttp.ClientSession() as session:
                gate = asyncio.Semaphore(8)

                async def one(prompt: list[int]) -> list[int]:
                    # as text, so that the tokenizers are compared too
                    body = {
                        "prompt": decode(prompt),
                        "n_predict": MOST,
                        "temperature": 0,
                        "return_tokens": True,
                    }
                    async with gate, session.post(f"{url}/completion", json=body) as response:
                        return (await response.json())["tokens"]

                return await asyncio.gather(*(one(prompt) for prompt in prompts))
        finally:
            await engine.stop()


@torch.no_grad()
def gap(model: Llama, prompt: list[int], reply: list[int]) -> float:
    """Between the logits of the two likeliest tokens after `reply`."""
    best = model.logits(model(torch.tensor([prompt + reply]))[0, -1]).topk(2).values
    return float(best[0] - best[1])


def without_end(reply: list[int]) -> list[int]:
    return reply[: reply.index(END)] if END in reply else reply


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=500)
    bundled = find("tiny").bundled
    parser.add_argument("--folder", type=Path, default=bundled.parent if bundled else None)
    options = parser.parse_args()
    names = kinds.names()
    each = -(-options.problems // len(names))
    problems = [problem for name in names for problem in fresh(21, name, each)][: options.problems]
    prompts = [prompt_of(problem.text) for problem in problems]
    model = read_safetensors(options.folder)
    torch_replies: list[list[int]] = []
    for start in range(0, len(prompts), 128):
        torch_replies += sample(model, prompts[start : start + 128], max_tokens=MOST, temperature=0)
    llama_replies = asyncio.run(engine_replies(options.folder / "tiny.gguf", prompts))
    same = 0
    pairs = zip(map(without_end, torch_replies), map(without_end, llama_replies), strict=True)
    for problem, prompt, (ours, theirs) in zip(problems, prompts, pairs, strict=True):
        if ours == theirs:
            same += 1
            continue
        common = next(
            (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
            min(len(ours), len(theirs)),
        )
        print(
            f"{problem.kind}: part after {common} tokens, logits {gap(model, prompt, ours[:common]):.6f} apart"
        )
    print(machine.one_line())
    print(f"{same} of {len(problems)} greedy replies are the same, token for token")


if __name__ == "__main__":
    main()
