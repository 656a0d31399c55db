"""The models of tables: the waves against the paper's formula, blanks, and one row at a time."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from zoo import init
from zoo._create import create
from zoo.models.table import TableMLP
from zoo.nn.numbers import Periodic


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(n)
    return torch.randn(n, 3, generator=draw), torch.randint(1, 4, (n, 2), generator=draw)


def small(numbers: int = 3, categories: tuple[int, ...] = (3, 4), waves: bool = True, blanks: float = 0.0) -> TableMLP:
    periodic = partial(Periodic, numbers, frequencies=4, dim=5, sigma=0.5) if waves else None
    return TableMLP(numbers, categories, 2, periodic, widths=(8,), dropout=0.0, blanks=blanks, outputs=1)


def test_a_number_becomes_relu_of_its_own_sum_of_waves():
    layer = Periodic(numbers=3, frequencies=4, dim=5, sigma=0.5)
    torch.nn.init.normal_(layer.bias)
    x, _ = rows(6)
    vectors = layer(x)
    assert vectors.shape == (6, 3, 5)
    for n in range(6):
        for f in range(3):
            angles = [2 * math.pi * c * x[n, f].item() for c in layer.frequencies[f].tolist()]
            waves = torch.tensor([*map(math.cos, angles), *map(math.sin, angles)])
            want = torch.nn.Linear(8, 5)
            want.weight.data, want.bias.data = layer.weight[f].T, layer.bias[f]
            torch.testing.assert_close(vectors[n, f], torch.relu(want(waves)))


def test_fresh_waves_have_the_frequencies_asked_for_and_pass_on_their_size():
    torch.manual_seed(0)
    each = Periodic(numbers=2, frequencies=2000, dim=1, sigma=(5.0, 0.1))
    assert each.frequencies.std(1).tolist() == [pytest.approx(5, rel=0.05), pytest.approx(0.1, rel=0.05)]
    with pytest.raises(ValueError, match="sigma has 2 values for 3 numbers"):
        Periodic(numbers=3, frequencies=4, dim=5, sigma=(5.0, 0.1))
    layer = Periodic(numbers=50, frequencies=64, dim=64, sigma=0.5)
    before = layer.weight.clone()
    init.apply(layer, "kaiming_normal")  # a scheme that does not know the layer asks it to draw itself
    assert not torch.equal(layer.weight, before)
    assert layer.frequencies.std().item() == pytest.approx(0.5, rel=0.05)
    assert layer(torch.randn(100, 50)).square().mean().item() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("waves", [False, True])
def test_a_blank_number_is_the_mean_with_a_mark(waves: bool):
    net = small(waves=waves).eval()
    numbers, codes = rows(4)
    mean, blank = numbers.clone(), numbers.clone()
    mean[:, 1], blank[:, 1] = 0.0, math.nan
    with torch.no_grad():
        assert net(blank, codes).isfinite().all()
        assert not torch.allclose(net(blank, codes), net(mean, codes))
        first = net.body[0]
        assert isinstance(first, torch.nn.Linear)
        first.weight[:, 3:6] = 0  # what reads the marks
        torch.testing.assert_close(net(blank, codes), net(mean, codes))


def test_blanks_are_drawn_in_training_alone_and_in_every_column():
    net = small(blanks=0.5)
    numbers, codes = rows(200)
    seen = []
    net.body.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(numbers, codes)
    marks = seen[0][:, 3:6]
    assert (marks.mean(0) - 0.5).abs().max() < 0.15
    assert torch.equal(seen[0][:, :3] == 0, marks == 1)
    for column, vectors in enumerate(seen[0][:, 6:10].split(2, 1)):
        blank = (vectors == net.state_dict()[f"embeddings.{column}.weight"][0]).all(1).float()
        assert blank.mean().item() == pytest.approx(0.5, abs=0.15)
    net.eval()(numbers, codes)
    assert not seen[1][:, 3:6].any() and torch.equal(seen[1][:, :3], numbers)


def test_there_is_no_bias_before_a_batch_norm():
    for name in ("housing_mlp", "churn_mlp"):
        layers = list(create(name).get_submodule("body").children())
        for linear, norm in zip(layers[::4], layers[1::4], strict=True):
            assert isinstance(linear, torch.nn.Linear) and isinstance(norm, torch.nn.BatchNorm1d)
            assert linear.bias is None


def test_a_table_may_have_numbers_alone_or_categories_alone():
    numbers, codes = rows(4)
    assert small(categories=())(numbers, codes[:, :0]).shape == (4, 1)
    assert small(numbers=0, waves=False)(numbers[:, :0], codes).shape == (4, 1)
