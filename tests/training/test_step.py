"""A step in pieces is the step of the whole batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo import ZooError
from zoo.recipes import parse
from zoo.training.step import backward
from zoo.training.update import losses


class Tagger(nn.Module):
    """Steps (N, T) -> logits (N, T, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens))


def images() -> tuple[nn.Module, tuple[Tensor, ...], Tensor]:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), (torch.randn(64, 1, 8, 8),), torch.randint(3, (64,))


def words() -> tuple[nn.Module, tuple[Tensor, ...], Tensor]:
    """Sentences that differ in length, so that pieces have different numbers of words."""
    targets = torch.randint(3, (64, 5)).where(torch.arange(5) < torch.arange(64)[:, None] % 6, losses.IGNORED)
    return Tagger(), (torch.randint(9, (64, 5)),), targets


@pytest.mark.parametrize("make", [images, words])
@pytest.mark.parametrize("parts", [2, 3, 64])
def test_pieces_give_the_gradient_of_the_whole(make: Any, parts: int):
    def gradient(parts: int) -> tuple[Tensor, Tensor, Tensor]:
        torch.manual_seed(0)
        model, inputs, targets = make()
        criterion = losses._Loss(lambda a, b: nn.functional.cross_entropy(a.flatten(0, -2), b.flatten()))
        outputs, loss = backward(model, criterion, Tensor.backward, inputs, targets, parts)
        return torch.cat([p.grad.flatten() for p in model.parameters()]), outputs, loss

    whole, piecewise = gradient(1), gradient(parts)
    for one, other in zip(whole, piecewise, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


SMALL: dict[str, Any] = {
    "model": "mlp",
    "init": "default",
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adamw", "lr": 0.003},
    "train": {"epochs": 1},
}


def test_a_run_in_pieces_is_the_run_of_whole_batches(tmp_path):
    small = {**SMALL, "model_args": {"widths": [32], "dropout": 0.3}}
    recipes = [{**small, "train": {"epochs": 1, "accumulate": n}} for n in (1, 4)]
    whole, piecewise = (zoo.train(recipe, out=tmp_path / str(n), device="cpu") for n, recipe in enumerate(recipes))
    for one, other in zip(whole.log, piecewise.log, strict=True):
        assert float(one["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accumulate": 65}, r"train\.accumulate \(65\) is larger than data\.batch_size \(64\); lower it\.$"),
        ({"keep_best": True}, r"train\.keep_best selects an epoch, which must not be done on the test split"),
        ({"early_stopping": {"patience": 2}}, r"train\.early_stopping selects an epoch.*set data\.validation"),
    ],
)
def test_what_a_recipe_cannot_ask_for(changes: dict[str, Any], said: str):
    with pytest.raises(ZooError, match=said):
        parse({**SMALL, "train": {"epochs": 1, **changes}})


def test_pieces_of_a_loss_that_is_not_a_mean_are_refused():
    weighted = {"name": "cross_entropy", "class_weight": "balanced"}
    with pytest.raises(ZooError, match=r"train\.accumulate needs a loss that is a mean over samples"):
        parse({**SMALL, "loss": weighted, "train": {"epochs": 1, "accumulate": 2}})
