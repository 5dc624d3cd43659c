# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""Many replies at once: prompts padded on the left, one cache, and rows that have ended leave the batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from perpend.training.model import Cache, Llama
from perpend.training.tokenizer import END, PAD

_LEAVE = 0.8
"""Once fewer than this share of the rows go on, the others are taken out."""


@torch.no_grad()
def sample(
    model: Llama,
    prompts: Sequence[list[int]],
    *,
    most: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    never_first: Sequence[int] = (),
) -> list[list[int]]:
    """A reply to each prompt, of `most` tokens at most, its end token included.

    Temperature 0 takes the likeliest token. `never_first` can't be a reply's first token.
    """
    longest = max(map(len, prompts))
    tokens = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    lengths = torch.tensor([len(p) for p in prompts])
    seen = torch.arange(longest)[None, :] >= (longest - lengths)[:, None]
    causal = torch.ones(longest, longest, dtype=torch.bool).tril()
    # a padding token sees itself, so that no row of the softmax is empty
    mask = (causal & seen[:, None, :]) | torch.eye(longest, dtype=torch.bool)
    cache = Cache(model.shape, len(prompts), longest + most)
    hidden = model(tokens, cache, mask[:, None])
    rows = torch.arange(len(prompts))
    written = torch.full((len(prompts), most), PAD)
    for step in range(most):
        logits = model.logits(hidden[:, -1])
        if step == 0 and never_first:
            logits[:, list(never_first)] = -torch.inf
        chosen = _choose(logits, temperature, generator)
        written[rows, step] = chosen
        going = chosen != END
        if not going.any() or step == most - 1:
            break
        if going.float().mean() < _LEAVE:
            rows, chosen, seen = rows[going], chosen[going], seen[going]
            cache.keep(going)
        seen = torch.cat((seen, torch.ones(len(rows), 1, dtype=torch.bool)), dim=1)
        hidden = model(chosen[:, None], cache, seen[:, None, None, :])
    return [_ended(reply) for reply in written.tolist()]


def _choose(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature == 0:
        return logits.argmax(dim=-1)
    weights = torch.softmax(logits / temperature, dim=-1)
    return torch.multinomial(weights, 1, generator=generator)[:, 0]


def _ended(reply: list[int]) -> list[int]:
    """Up to the end token; rows that ended and stayed in the batch wrote on behind it."""
    return reply[: reply.index(END) + 1] if END in reply else reply
