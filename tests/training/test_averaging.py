"""The average of a model's weights follows it, and forgets where it began."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.training.update.averaging import average_of


def _follow(decay: float, values: list[float]) -> list[float]:
    """The average of a weight, a bias and a buffer that take these values one step after another."""
    model = nn.BatchNorm1d(1)
    average = average_of(model, decay)
    for value in values:
        model.load_state_dict({name: torch.full_like(x, value) for name, x in model.state_dict().items()})
        average.update_parameters(model)
    state = average.module.state_dict()
    return [state[name].item() for name in ("weight", "bias", "running_var")]


@pytest.mark.parametrize("steps", [2, 3, 8, 40, 200])  # after many steps nothing is left of how it warmed up
def test_the_average_is_that_of_the_slow_reference(steps: int) -> None:
    values = torch.linspace(3, -2, 200).tolist()[:steps]
    expected = values[0]
    for n, value in enumerate(values[1:], start=1):
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    for got in _follow(0.9, values):
        assert abs(got - expected) < 1e-5


def test_a_long_memory_keeps_nothing_of_the_first_step_in_a_short_run() -> None:
    """At 0.999 alone, 82 % of the first value would be left after 200 steps."""
    for got in _follow(0.999, [1000.0] + [0.0] * 200):
        assert abs(got) < 1e-3
