# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""A small Llama in plain torch: RMSNorm, rotary positions, SwiGLU, tied embeddings, and a cache for sampling."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from perpend.training.shape import EPSILON, ROPE_BASE, ModelShape


class Cache:
    """Keys and values of all layers, with room for `length` tokens: layers × batch × heads × length × head width."""

    def __init__(self, shape: ModelShape, batch: int, length: int) -> None:
        room = (shape.layers, batch, shape.heads, length, shape.width // shape.heads)
        self.keys, self.values = torch.empty(room), torch.empty(room)
        self.used = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of one layer, and return all that it has."""
        end = self.used + keys.shape[2]
        self.keys[layer, :, :, self.used : end] = keys
        self.values[layer, :, :, self.used : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Drop the other rows of the batch."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]


def rotary(context: int, head: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions (RoFormer, arXiv:2104.09864): context × head, halves repeated as in Hugging
    Face's Llama.
    """
    rates = ROPE_BASE ** (-torch.arange(0, head, 2, dtype=torch.float32) / head)
    angles = torch.outer(torch.arange(context, dtype=torch.float32), rates).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys by their positions' angles."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, shape: ModelShape, index: int) -> None:
        super().__init__()
        self.heads, self.index = shape.heads, index
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(shape.width, shape.width, bias=False) for _ in range(4)
        )

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None, mask: Tensor | None
    ) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            proj(x).view(batch, length, self.heads, -1).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            k, v = cache.extend(self.index, k, v)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, width))


class MLP(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: ModelShape, index: int) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.width, eps=EPSILON)
        self.self_attn = Attention(shape, index)
        self.post_attention_layernorm = nn.RMSNorm(shape.width, eps=EPSILON)
        self.mlp = MLP(shape)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None, mask: Tensor | None
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cache, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Parameters carry the names of Hugging Face's Llama, less the leading `model.`."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape, index) for index in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=EPSILON)
        cos, sin = rotary(shape.context, shape.width // shape.heads)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                writes_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * shape.layers) ** 0.5 if writes_residual else 0.02)

    def forward(self, tokens: Tensor, cache: Cache | None = None, mask: Tensor | None = None) -> Tensor:
        """Hidden states after the last norm. `tokens` (batch × length) follow those in `cache`, and are added to it.

        `mask`: True where a token may be attended to; default: causal.
        """
        start = cache.used if cache else 0
        end = start + tokens.shape[1]
        cos, sin = self.get_buffer("cos")[start:end], self.get_buffer("sin")[start:end]
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x, cos, sin, cache, mask)
        if cache:
            cache.used = end
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.embed_tokens.weight)


def reply_logprobs(model: Llama, prompts: list[list[int]], replies: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Log-probability (in nats) of each reply token, batch × longest, and a mask that is 1 where there is one."""
    rows = [prompt + reply for prompt, reply in zip(prompts, replies, strict=True)]
    longest = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.zeros(tokens.shape, dtype=torch.bool)
    for index, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
        mask[index, len(prompt) : len(row)] = True
    hidden = model(tokens[:, :-1])
    target_mask = mask[:, 1:]
    logits = model.logits(hidden[target_mask])  # only where there is a reply: prompts need no logits
    logprobs = -functional.cross_entropy(logits, tokens[:, 1:][target_mask], reduction="none")
    out = torch.zeros(target_mask.shape).masked_scatter(target_mask, logprobs)
    return out, target_mask.float()
