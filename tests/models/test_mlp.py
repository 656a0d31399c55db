"""The perceptrons, held to what they are said to be."""

from __future__ import annotations

import itertools
from typing import Any, TypeVar

import pytest
import torch
from torch import nn

from zoo.models.mlp import mlp, mlp_bn, mnist_mlp, res_mlp

T = TypeVar("T", bound=nn.Module)


def describe(model: nn.Module) -> list[object]:
    """The leaves in order: (inputs, outputs) of a linear layer, the rate of a dropout, the class of anything else."""
    single = [layer for layer in model.modules() if not list(layer.children())]
    return [
        (layer.in_features, layer.out_features)
        if isinstance(layer, nn.Linear)
        else layer.p
        if isinstance(layer, nn.Dropout)
        else type(layer)
        for layer in single
    ]


def leaves(model: nn.Module, kind: type[T]) -> list[T]:
    return [layer for layer in model.modules() if isinstance(layer, kind)]


def test_mnist_mlp_is_784_512_256_128_10_with_two_dropouts() -> None:
    assert describe(mnist_mlp()) == [
        *((784, 512), nn.ReLU, 0.3),
        *((512, 256), nn.ReLU, 0.3),
        *((256, 128), nn.ReLU),
        (128, 10),
    ]
    assert sum(p.numel() for p in mnist_mlp().parameters()) == 784 * 512 + 512 * 256 + 256 * 128 + 128 * 10 + 906


def test_mnist_mlp_computes_what_its_formula_says() -> None:
    model: Any = mnist_mlp().eval()
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


def test_a_norm_stands_between_a_layer_without_bias_and_its_relu() -> None:
    model = mlp_bn(12, (9, 7), 0.2, num_classes=3)
    assert describe(model) == [(12, 9), nn.BatchNorm1d, nn.ReLU, 0.2, (9, 7), nn.BatchNorm1d, nn.ReLU, 0.2, (7, 3)]
    assert [layer.bias is None for layer in model.modules() if isinstance(layer, nn.Linear)] == [True, True, False]


def test_mlp_bn_computes_what_its_formula_says() -> None:
    model: Any = mlp_bn(12, (9, 7), num_classes=3)
    x = torch.randn(50, 12)
    for _ in range(20):
        model(x)  # moves the running statistics
    h = x
    for layer, norm in zip(model.body[::4], model.body[1::4], strict=True):
        assert isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d)
        assert norm.running_mean is not None and norm.running_var is not None
        h = (h @ layer.weight.T - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        h = (h * norm.weight + norm.bias).clamp(min=0)
    torch.testing.assert_close(model.eval()(x), h @ model.head.weight.T + model.head.bias)


def test_res_mlp_adds_each_block_to_what_it_was_given() -> None:
    model = res_mlp(12, width=8, blocks=3, dropout=0.5, num_classes=3).eval()
    assert describe(model.blocks) == [(8, 8), nn.BatchNorm1d, nn.ReLU, 0.5] * 3
    x = torch.randn(5, 2, 6)
    h = model.stem(x.flatten(1))
    for linear, norm in zip(leaves(model.blocks, nn.Linear), leaves(model.blocks, nn.BatchNorm1d), strict=True):
        assert linear.bias is None
        h = h + norm(h @ linear.weight.T).clamp(min=0)
    torch.testing.assert_close(model(x), model.head(h))


def test_the_identity_carries_the_gradient_through_a_hundred_blocks() -> None:
    torch.manual_seed(0)
    model, x = res_mlp(12, width=16, blocks=100, dropout=0.0), torch.randn(32, 12)
    for norm in leaves(model.blocks, nn.BatchNorm1d):
        nn.init.zeros_(norm.weight)  # every block gives nothing but what it was given
    torch.testing.assert_close(model(x), model.head(model.stem(x)))
    model(x).square().sum().backward()
    (first,) = leaves(model.stem, nn.Linear)
    assert first.weight.grad is not None and first.weight.grad.abs().mean() > 0.01
