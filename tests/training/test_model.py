# pyright: basic, reportMissingImports=false
"""The model: cache, padding and export change nothing of what it computes. Needs the extra `training`."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra `training` (torch) isn't installed")
import torch

from perpend.training.model import Cache, Llama, reply_logprobs
from perpend.training.sampling import sample
from perpend.training.shape import ModelShape
from perpend.training.tokenizer import END, SIZE, encode

torch.set_num_threads(1)  # such small sums are slower on several
SHAPE = ModelShape(SIZE, layers=2, width=32, heads=4, hidden=48)


@pytest.fixture
def model() -> Llama:
    torch.manual_seed(1)
    model = Llama(SHAPE)
    for weight in model.parameters():
        weight.data *= 4  # far from uniform, so that a likeliest token stands out
    return model


@torch.no_grad()
def test_token_by_token_is_all_at_once(model: Llama) -> None:
    tokens = torch.randint(0, SIZE, (2, 9))
    cache = Cache(SHAPE, 2, 9)
    steps = [model(tokens[:, :4], cache)]
    steps += [
        model(tokens[:, i : i + 1], cache, torch.ones(1, 1, 1, i + 1, dtype=torch.bool)) for i in range(4, 9)
    ]
    assert torch.allclose(torch.cat(steps, dim=1), model(tokens), atol=1e-4)


def test_a_prompt_is_answered_the_same_in_any_company(model: Llama) -> None:
    prompts = [encode(text) for text in ("Add 1 and 2.", "x", "Compute 17+25-8+9-11.")]
    together = sample(model, prompts, max_tokens=20, temperature=0)
    assert together == [sample(model, [prompt], max_tokens=20, temperature=0)[0] for prompt in prompts]


def test_sampling_repeats_by_seed_and_keeps_off_what_is_forbidden(model: Llama) -> None:
    prompts = [encode("Add 1 and 2.")] * 64

    def draw(seed: int, never: tuple[int, ...] = ()) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return sample(model, prompts, max_tokens=6, generator=generator, never_first=never)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    first = draw(1)[0][0]
    assert all(reply[0] != first for reply in draw(1, (first,)))
    assert all(END not in reply[:-1] for reply in draw(1))


@torch.no_grad()
def test_a_replys_probability_is_its_tokens(model: Llama) -> None:
    prompts, replies = [[1, 2, 3], [4]], [[5, 6], [7, 8, 9, 10]]
    logprobs, mask = reply_logprobs(model, prompts, replies)
    assert mask.sum(dim=1).tolist() == [2, 4]
    alone = torch.log_softmax(model.logits(model(torch.tensor([[1, 2, 3, 5, 6]]))), dim=-1)[0]
    assert logprobs[0].sum().item() == pytest.approx((alone[2, 5] + alone[3, 6]).item(), abs=1e-4)


def test_safetensors_come_back(model: Llama, tmp_path: Path) -> None:
    export = pytest.importorskip("perpend.training.export", exc_type=ImportError)
    export.write_safetensors(model, tmp_path)
    again = export.read_safetensors(tmp_path)
    assert again.shape == SHAPE
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    )
