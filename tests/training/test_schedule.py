"""The learning rate at every step, against closed forms written another way."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from zoo.recipes import Schedule
from zoo.training.schedule import factor

TOTAL = 40


def slow(name: str, warmup: int, step: int) -> float:
    """The factor by interpolation between the points of the curve: (step, value), linear or along half a cosine."""
    if step < warmup:
        # The step before the first would have the start value; the last step of the rise has 1.
        start = 0.04 if name == "one_cycle" else 0.0
        return float(torch.linspace(start, 1, warmup + 1, dtype=torch.float64)[step + 1])
    done = (step - warmup) / (TOTAL - warmup)
    last = {"constant": 1.0, "linear": 0.0, "cosine": 0.0, "one_cycle": 1e-4}[name]
    share = 1 - done if name in ("constant", "linear") else math.cos(math.pi * done / 2) ** 2
    return last + (1 - last) * share


@pytest.mark.parametrize("warmup", [0, 1, 8, 39])
@pytest.mark.parametrize("name", ["constant", "linear", "cosine", "one_cycle"])
def test_every_step(name: Any, warmup: int):
    schedule = Schedule(name=name, warmup=warmup / TOTAL)
    rates = [factor(schedule, step, TOTAL) for step in range(TOTAL)]
    assert rates == pytest.approx([slow(name, warmup, step) for step in range(TOTAL)], rel=1e-12)
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[max(0, warmup - 1)] == 1, "the peak is the recipe's own rate"
    after = rates[warmup:]
    assert after == sorted(after, reverse=True)


def test_the_cosine_is_that_of_pytorch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=TOTAL)
    for step in range(TOTAL):
        assert factor(Schedule(name="cosine"), step, TOTAL) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        scheduler.step()


def test_a_run_of_one_step_has_a_rate():
    for name in ("constant", "linear", "cosine", "one_cycle"):
        assert factor(Schedule(name=name, warmup=0.9), 0, 1) == 1
        assert factor(Schedule(name=name), 0, 1) == 1
