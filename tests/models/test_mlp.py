"""The perceptrons, held to what they are said to be."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from zoo.models.mlp import mlp, mnist_mlp


def describe(model: nn.Module) -> list[object]:
    """The leaves in order: (inputs, outputs) of a linear layer, the rate of a dropout, the class of anything else."""
    leaves = [layer for layer in model.modules() if not list(layer.children())]
    return [
        (layer.in_features, layer.out_features)
        if isinstance(layer, nn.Linear)
        else layer.p
        if isinstance(layer, nn.Dropout)
        else type(layer)
        for layer in leaves
    ]


def test_mnist_mlp_is_784_512_256_128_10_with_two_dropouts() -> None:
    assert describe(mnist_mlp()) == [
        *((784, 512), nn.ReLU, 0.3),
        *((512, 256), nn.ReLU, 0.3),
        *((256, 128), nn.ReLU),
        (128, 10),
    ]
    assert sum(p.numel() for p in mnist_mlp().parameters()) == 784 * 512 + 512 * 256 + 256 * 128 + 128 * 10 + 906


def test_mnist_mlp_computes_what_its_formula_says() -> None:
    model = mnist_mlp().eval()
    a, b, c = (layer for layer in model.body if isinstance(layer, nn.Linear))
    x = torch.randn(5, 1, 28, 28)
    h = x.reshape(5, 784)
    for layer in (a, b, c):
        h = (h @ layer.weight.T + layer.bias).clamp(min=0)
    torch.testing.assert_close(model(x), h @ model.head.weight.T + model.head.bias)


@pytest.mark.parametrize("widths", [(), (5,), (9, 8, 7, 6, 5)])
def test_any_depth_and_widths(widths: tuple[int, ...]) -> None:
    model = mlp(in_features=12, widths=widths, num_classes=3)
    sizes = [12, *widths, 3]
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == list(itertools.pairwise(sizes))
    assert model(torch.randn(2, 3, 2, 2)).shape == (2, 3)


def test_dropout_is_one_rate_for_all_or_one_a_layer() -> None:
    assert describe(mlp(4, (4, 4), 0.1)) == [(4, 4), nn.ReLU, 0.1, (4, 4), nn.ReLU, 0.1, (4, 10)]
    assert describe(mlp(4, (4, 4), (0.0, 0.2))) == [(4, 4), nn.ReLU, (4, 4), nn.ReLU, 0.2, (4, 10)]
    with pytest.raises(ValueError, match="dropout has 1 rates for 2 hidden layers"):
        mlp(4, (4, 4), (0.1,))
