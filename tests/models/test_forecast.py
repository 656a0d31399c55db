"""The forecaster: what normalisation, channels and horizon are said to be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo import init
from zoo.models.forecast import EPSILON, gru_forecast


@pytest.fixture
def model() -> gru_forecast:
    torch.manual_seed(0)
    model = gru_forecast(context=12, horizon=5, segment=4, hidden=8)
    init.apply(model, "trunc_normal")
    nn.init.normal_(model.autoregression.weight, std=0.1)  # it starts at zero
    return model.eval()


@pytest.fixture
def window() -> Tensor:
    return torch.randn(3, 12, 2, generator=torch.Generator().manual_seed(1))


def test_a_window_of_another_level_and_scale_has_a_forecast_of_that_level_and_scale(model, window):
    moved = model(window * torch.tensor([100.0, 3.0]) - torch.tensor([0.0, 500.0]))
    expected = model(window) * torch.tensor([100.0, 3.0]) - torch.tensor([0.0, 500.0])
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-3)


def test_a_window_that_stands_still_goes_on_at_its_level(model):
    assert model(torch.full((1, 12, 2), 7.0)).isfinite().all()
    nn.init.zeros_(model.head.weight)
    torch.testing.assert_close(model(torch.full((1, 12, 2), 7.0)), torch.full((1, 5, 2), 7.0))


def test_a_channel_is_forecast_from_its_own_past_by_weights_that_all_share(model, window):
    forecast = model(window)
    torch.testing.assert_close(model(window[..., :1]), forecast[..., :1])
    torch.testing.assert_close(model(window.flip(-1)), forecast.flip(-1))


def test_it_computes_what_its_formula_says(model, window):
    past = window[0, :, 1]
    mean, std = past.mean(), (past.var(correction=0) + EPSILON).sqrt()
    z = (past - mean) / std
    cell = nn.GRUCell(8, 8)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in model.encoder.state_dict().items()})
    state = torch.zeros(8)
    for step in range(3):
        state = cell(model.embed[0](z[4 * step : 4 * step + 4]).clamp(min=0), state)
    future = model.head.weight @ state + model.head.bias + model.autoregression.weight @ z
    torch.testing.assert_close(model(window)[0, :, 1], future * std + mean)


def test_before_training_the_autoregression_says_nothing():
    torch.manual_seed(0)
    model: Any = gru_forecast()
    init.apply(model, "trunc_normal")
    assert not model.autoregression.weight.any() and model.head.weight.any()


def test_a_segment_divides_the_context():
    with pytest.raises(ValueError, match="segment 5 does not divide context 12"):
        gru_forecast(context=12, segment=5)
