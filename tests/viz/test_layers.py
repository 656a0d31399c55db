"""Feature maps and filters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

import zoo
from zoo import ZooError, data, viz
from zoo._predictor import predictor
from zoo.viz._pictures import scale


class Odd(nn.Module):
    """A network with a layer that works in place, one that is called twice, one that is not, and one of two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True))
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.never = nn.Linear(2, 2)
        self.memory = nn.LSTM(4, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.twice(self.stem(x)))
        return self.head(self.memory(x.flatten(2).mT)[0].mean(1))


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.fixture
def odd() -> nn.Module:
    torch.manual_seed(0)
    return Odd().eval()


IMAGE = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def test_a_layer_gives_what_it_gives_before_the_next_one_works_in_place(odd: nn.Module) -> None:
    maps, outputs = viz.activations(odd, [IMAGE], "stem.0")
    with torch.no_grad():
        torch.testing.assert_close(maps, odd.stem[0](IMAGE))  # type: ignore[index, operator]
        torch.testing.assert_close(outputs, odd(IMAGE))
    assert (maps < 0).any() and hooks(odd) == 0


def test_a_layer_called_twice_shows_its_first_call_and_an_lstm_its_states(odd: nn.Module) -> None:
    maps, _ = viz.activations(odd, [IMAGE], "twice")
    with torch.no_grad():
        torch.testing.assert_close(maps, odd.twice(odd.stem(IMAGE)))  # type: ignore[operator]
    assert viz.activations(odd, [IMAGE], "memory")[0].shape == (2, 16, 5)


def test_hooks_are_removed_even_when_the_forward_fails(odd: nn.Module) -> None:
    with pytest.raises(RuntimeError):
        viz.activations(odd, [torch.zeros(2, 7, 6, 6)], "stem.1")
    assert hooks(odd) == 0


def test_an_unknown_layer_names_the_nearest(odd: nn.Module) -> None:
    with pytest.raises(ZooError, match=r"unknown layer 'steam\.0'; did you mean stem\.0"):
        viz.activations(odd, [IMAGE], "steam.0")
    with pytest.raises(ZooError, match=r"unknown layer ''; there are: stem, stem\.0"):
        viz.activations(odd, [IMAGE], "")
    assert hooks(odd) == 0


def test_a_layer_that_is_not_called_says_so(odd: nn.Module) -> None:
    with pytest.raises(ZooError, match="the layer 'never' is not called"):
        viz.activations(odd, [IMAGE], "never")
    assert hooks(odd) == 0


def digit() -> Tensor:
    images = data.load("digits").test.inputs
    assert isinstance(images, Tensor)
    return images[0]


def board(axes: Axes) -> Tensor:
    """The numbers that the axes show as colours, NaN where there is none."""
    shown: Any = axes.images[0].get_array()
    return torch.tensor(np.ma.filled(shown, np.nan)).float()


def test_features_of_a_perceptron_are_a_square_of_its_units_beside_the_image() -> None:
    image = digit()
    figure = viz.features("mlp.digits_v1", image, "body.0")
    seen, units, _ = figure.axes
    read = predictor("mlp.digits_v1")
    (inputs,) = read.prepare([image])
    with torch.no_grad():
        want = read.model.get_submodule("body.0")(inputs.flatten(1))
    torch.testing.assert_close(board(units).flatten(), want[0])
    torch.testing.assert_close(board(seen), image[0] / 16)
    assert figure.get_suptitle().startswith(f"mlp.digits_v1, layer body.0; the answer is {read(image).label} (")


def test_feature_maps_are_drawn_on_one_scale_with_gaps_and_at_most_64_of_them(conv) -> None:
    bundle = conv(1)
    image = digit()
    figure = viz.features(bundle, image)
    _, maps, bar = figure.axes
    shown = board(maps)
    assert shown.shape == (8 * 9 - 1, 8 * 9 - 1) and shown[8].isnan().all() and shown[:, 8].isnan().all()
    want, _ = viz.activations(zoo.create(bundle), [image[None] / 16], "stem.0")
    torch.testing.assert_close(shown[9:17, 18:26], want[0, 10])
    assert maps.get_title() == "the first 64 of 70 channels" and bar.get_ylabel() == "activation"
    low, high = maps.images[0].get_clim()
    assert low == -high and high == scale(want[0, :64])["vmax"]


def test_filters_of_a_perceptron_are_as_large_as_its_image() -> None:
    figure = viz.filters("mlp.digits_v1")
    weight = zoo.create("mlp.digits_v1").get_parameter("body.0.weight").detach()
    torch.testing.assert_close(board(figure.axes[0])[9:17, :8], weight[8].view(8, 8))
    assert figure.get_suptitle() == "mlp.digits_v1, layer body.0: 8 x 8 filters, the first 64 of 256"


def test_filters_of_colour_images_are_in_colour(conv) -> None:
    bundle = conv(3)
    figure = viz.filters(bundle)
    shown = board(figure.axes[0])
    weight = zoo.create(bundle).get_parameter("stem.0.weight").detach()
    torch.testing.assert_close(shown[:3, :3], 0.5 + weight[0].permute(1, 2, 0) / (2 * weight[:64].abs().max()))
    assert shown.min() >= 0 and shown.max() <= 1 and len(figure.axes) == 1
    most = f"{weight[:64].abs().max():.2g}"
    assert f"from -{most} (dark) to {most} (full); grey is 0" in figure.axes[0].get_xlabel()
