"""The first layer of an image model for another number of channels."""

from __future__ import annotations

import pytest
import torch
from timm.models._manipulate import adapt_input_conv

from zoo.nn.channels import adapt_channels


@pytest.mark.parametrize("after", [1, 2, 4, 6, 7])
def test_a_convolution_is_what_timm_makes_of_it(after: int) -> None:
    weight = torch.randn(8, 3, 5, 5)
    torch.testing.assert_close(adapt_channels(weight, 3, after), adapt_input_conv(after, weight.clone()))


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (1, 4)])
def test_a_linear_layer_over_pixels_is_the_convolution_over_them(before: int, after: int) -> None:
    weight = torch.randn(8, before, 5, 5)
    made = adapt_channels(weight.flatten(1), before, after)
    torch.testing.assert_close(made, adapt_channels(weight, before, after).flatten(1))


def test_equal_channels_give_what_one_gave() -> None:
    weight, grey = torch.randn(8, 1, 5, 5), torch.randn(2, 1, 5, 5)
    shown_in_colour = torch.nn.functional.conv2d(grey.expand(-1, 3, -1, -1), adapt_channels(weight, 1, 3))
    torch.testing.assert_close(shown_in_colour, torch.nn.functional.conv2d(grey, weight), rtol=1e-4, atol=1e-4)
