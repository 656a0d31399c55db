"""The text classifier that attends, in all its shapes: what it shares with the others is in test_every_text_model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from zoo import init
from zoo.models.rnn import bilstm_attn
from zoo.nn.words import PAD, UNKNOWN


@pytest.fixture(params=[{}, {"bigrams": 64}, {"bigrams": 64, "skip": True}], ids=["plain", "pairs", "pairs, skip"])
def model(request: pytest.FixtureRequest) -> bilstm_attn:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "embedding_dim": 12, "bigram_dim": 5, "hidden": 10, "layers": 2, "attention": 8}
    model = bilstm_attn(**sizes, num_classes=3, **request.param)
    init.apply(model, "recurrent")
    return model.eval()


def batch(*rows: list[int], steps: int) -> tuple[Tensor, Tensor]:
    tokens = torch.full((len(rows), steps), PAD)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return tokens, torch.tensor([len(ids) for ids in rows])


TEXTS = {"words": [7, 3, 3, 41, 12, 9], "empty": [], "all unknown": [UNKNOWN] * 4, "one word": [5]}


@pytest.mark.parametrize("ids", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("padding", [1, 400])
def test_a_text_gives_the_same_output_whatever_it_is_batched_with(
    model: bilstm_attn, ids: list[int], padding: int
) -> None:
    alone, weights = model(*batch(ids, steps=max(1, len(ids))), return_attention=True)
    padded = batch(ids, [4, 8] * 3, list(range(2, 8 + padding)), [], steps=8 + padding)
    padded[0].clamp_(max=49)
    beside, beside_weights = model(*padded, return_attention=True)
    assert alone.isfinite().all()
    torch.testing.assert_close(beside[0], alone[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(beside_weights[0, : len(ids)], weights[0, : len(ids)], atol=1e-5, rtol=0)
    assert (beside_weights[0, len(ids) :] == 0).all()


def test_a_text_without_tokens_is_answered_by_the_heads_bias(model: Any) -> None:
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    for steps in (0, 1, 5):
        logits, weights = model(*batch([], [], steps=steps), return_attention=True)
        torch.testing.assert_close(logits, model.head.bias.expand(2, 3))
        assert weights.shape == (2, steps) and (weights == 0).all()


def test_order_matters_and_attention_sums_to_one(model: bilstm_attn) -> None:
    logits, weights = model(*batch([7, 3, 9], [9, 3, 7], steps=3), return_attention=True)
    assert (logits[0] - logits[1]).abs().max() > 1e-4
    torch.testing.assert_close(weights.sum(1), torch.ones(2))


def test_every_parameter_learns_and_padding_does_not(model: bilstm_attn) -> None:
    model.train()(*batch(list(range(1, 50)), [3, 4], steps=60)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert model.embedding.weight.grad is not None and (model.embedding.weight.grad[PAD] == 0).all()


def test_runs_in_half_precision_and_under_autocast(model: bilstm_attn) -> None:
    inputs = batch(TEXTS["words"], [], steps=9)
    exact = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(*inputs).float(), exact, atol=2e-2, rtol=0)
    for dtype in (torch.bfloat16, torch.float16):
        logits = model.to(dtype)(*inputs)
        assert logits.dtype == dtype
        torch.testing.assert_close(logits.float(), exact, atol=2e-2, rtol=0)
