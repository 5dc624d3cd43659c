# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""Sample many replies at once: prompts are padded on the left, and rows that have ended leave the batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from perpend.training.model import Cache, Llama
from perpend.training.tokenizer import END, PAD

_LEAVE = 0.8
"""Once fewer than this share of the rows go on, those that have ended are taken out."""


@torch.no_grad()
def sample(
    model: Llama,
    prompts: Sequence[list[int]],
    *,
    max_tokens: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    never_first: Sequence[int] = (),
) -> list[list[int]]:
    """A reply to each prompt: `max_tokens` tokens at most, the end token included.

    Temperature 0 takes the likeliest token. Tokens in `never_first` can't begin a reply.
    """
    longest = max(map(len, prompts))
    tokens = torch.tensor([[PAD] * (longest - len(p)) + p for p in prompts])
    lengths = torch.tensor([len(p) for p in prompts])
    visible = torch.arange(longest)[None, :] >= (longest - lengths)[:, None]
    causal = torch.ones(longest, longest, dtype=torch.bool).tril()
    # a padding token sees itself, so that no row of the softmax is empty
    mask = (causal & visible[:, None, :]) | torch.eye(longest, dtype=torch.bool)
    cache = Cache(model.shape, len(prompts), longest + max_tokens)
    hidden = model(tokens, cache, mask[:, None])
    rows = torch.arange(len(prompts))
    replies = torch.full((len(prompts), max_tokens), PAD)
    for step in range(max_tokens):
        logits = model.logits(hidden[:, -1])
        if step == 0 and never_first:
            logits[:, list(never_first)] = -torch.inf
        next_tokens = _choose(logits, temperature, generator)
        replies[rows, step] = next_tokens
        unfinished = next_tokens != END
        if not unfinished.any() or step == max_tokens - 1:
            break
        if unfinished.float().mean() < _LEAVE:
            rows, next_tokens, visible = rows[unfinished], next_tokens[unfinished], visible[unfinished]
            cache.keep(unfinished)
        visible = torch.cat((visible, torch.ones(len(rows), 1, dtype=torch.bool)), dim=1)
        hidden = model(next_tokens[:, None], cache, visible[:, None, None, :])
    return [_until_end(reply) for reply in replies.tolist()]


def _choose(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if temperature == 0:
        return logits.argmax(dim=-1)
    weights = torch.softmax(logits / temperature, dim=-1)
    return torch.multinomial(weights, 1, generator=generator)[:, 0]


def _until_end(reply: list[int]) -> list[int]:
    """The reply up to its end token: rows that stay in the batch go on after it."""
    return reply[: reply.index(END) + 1] if END in reply else reply
