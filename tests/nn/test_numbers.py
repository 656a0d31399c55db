"""Piecewise-linear numbers against counting by hand. (The waves are tested with the models of tables.)"""

from __future__ import annotations

import math

import pytest
import torch

from zoo import init
from zoo.nn import PiecewiseLinear
from zoo.nn.start import start


def started(column: list[float], bins: int) -> PiecewiseLinear:
    layer = PiecewiseLinear(numbers=1, bins=bins, dim=3)
    numbers = torch.tensor(column)[:, None]
    halves = numbers.split(len(column) // 2 + 1)
    start(torch.nn.Sequential(layer), lambda: (((half, half.long()), half[:, 0]) for half in halves))
    return layer


def test_a_bin_says_how_far_a_number_has_come_through_it() -> None:
    layer = started([float(x) for x in (0, 1, 2, 4, 8)], bins=4)
    assert layer.edges.tolist() == [[0, 1, 2, 4, 8]]
    found = layer.encode(torch.tensor([[0.0], [0.5], [3.0], [8.0], [-2.0], [12.0]])).squeeze(1).tolist()
    assert found[:4] == [[0, 0, 0, 0], [0.5, 0, 0, 0], [1, 1, 0.5, 0], [1, 1, 1, 1]]
    assert found[4:] == [[-2, 0, 0, 0], [1, 1, 1, 2]], "the first bin has no lower end, the last no upper one"


def test_blanks_and_repeated_values_make_no_bins() -> None:
    layer = started([math.nan, 5.0, 5.0, 5.0, 5.0, 6.0, math.nan], bins=4)
    found = layer.encode(torch.tensor([[5.0], [6.0], [5.5]])).squeeze(1)
    assert found.isfinite().all() and found[:, :3].count_nonzero() == 0
    assert found[:, 3].tolist() == [0, 1, 0.5]
    assert torch.equal(started([math.nan] * 3, bins=2).edges, PiecewiseLinear(1, 2, 3).edges), "nothing to start from"


def test_each_number_has_its_own_weights_and_a_scheme_asks_the_layer_to_draw_them() -> None:
    layer = PiecewiseLinear(numbers=2, bins=50, dim=512)
    before = layer.weight.clone()
    init.apply(layer, "kaiming_normal")
    assert not torch.equal(layer.weight, before)
    x = torch.randn(200, 2)
    vectors = layer(x)
    assert vectors.shape == (200, 2, 512)
    assert vectors.square().mean().item() == pytest.approx(0.5, rel=0.3)
    torch.testing.assert_close(vectors[:, 1], (layer.encode(x)[:, 1] @ layer.weight[1] + layer.bias[1]).relu())
