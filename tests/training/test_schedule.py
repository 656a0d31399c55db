"""The learning rate at every step, against closed forms written another way and against PyTorch's own schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from zoo.recipes import Curve, MultiStep, Plateau, Schedule, Step, parse
from zoo.recipes.schedules import Restart
from zoo.tasks.measures import find
from zoo.training.update.schedule import factor, watched

TOTAL = 40
EPOCH = 4
"""Steps in one of the ten epochs."""

CURVES = ["constant", "linear", "cosine", "one_cycle"]
Make = Callable[[torch.optim.Optimizer], Any]


def factors(schedule: Schedule, history: list[float] | None = None) -> list[float]:
    """The engine's factor in every step; `history` has the values of the epochs one by one."""
    values = history or []
    return [factor(schedule, step, TOTAL, step // EPOCH, values[: step // EPOCH]) for step in range(TOTAL)]


def theirs(make: Make, steps: int = TOTAL) -> list[float]:
    """What PyTorch's scheduler makes of a learning rate of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


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
@pytest.mark.parametrize("name", CURVES)
def test_every_step_of_a_curve(name: Any, warmup: int):
    rates = factors(Curve(name=name, warmup=warmup / TOTAL))
    assert rates == pytest.approx([slow(name, warmup, step) for step in range(TOTAL)], rel=1e-12)
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[max(0, warmup - 1)] == 1, "the peak is the recipe's own rate"
    after = rates[warmup:]
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize("name", CURVES)
def test_a_warm_restart_lets_the_curve_end_and_fall_once_more(name: Any):
    rates = factors(Curve(name=name, warmup=0.25, restart=Restart(at=0.4, lr_scale=0.5)))
    first = [factor(Curve(name=name, warmup=0.25), step, 16, 0, []) for step in range(16)]
    again = [factor(Curve(name=name), step, 24, 0, []) / 2 for step in range(24)]
    assert rates == pytest.approx([*first, *again], rel=1e-12)


def test_restarts_of_a_cosine_are_pytorchs():
    rates = factors(Curve(name="cosine", restart=Restart(at=0.5)))
    assert rates == pytest.approx(theirs(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, TOTAL // 2)), abs=1e-12)


@pytest.mark.parametrize("warmup", [0, 2, 8])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("constant", lambda optimizer, steps: lr_scheduler.ConstantLR(optimizer, factor=1.0)),
        ("linear", lambda optimizer, steps: lr_scheduler.PolynomialLR(optimizer, steps)),
        ("cosine", lambda optimizer, steps: lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)),
    ],
)
@pytest.mark.filterwarnings("ignore:The epoch parameter")  # SequentialLR passes it, and PyTorch warns of that
def test_a_curve_is_that_of_pytorch_after_its_linear_warm_up(name: Any, make: Any, warmup: int):
    def behind(optimizer: torch.optim.Optimizer) -> Any:
        if not warmup:
            return make(optimizer, TOTAL)
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
        return lr_scheduler.SequentialLR(optimizer, [rise, make(optimizer, TOTAL - warmup)], milestones=[warmup])

    assert factors(Curve(name=name, warmup=warmup / TOTAL)) == pytest.approx(theirs(behind), abs=1e-12)


@pytest.mark.parametrize("warmup", [1, 8, 39])
def test_one_cycle_is_that_of_pytorch_less_its_first_step(warmup: int):
    # PyTorch trains its first step at the start rate and its last one at the end rate; here neither is spent.
    settings = {"total_steps": TOTAL + 1, "pct_start": (warmup + 1) / (TOTAL + 1)}

    def cycle(anneal: Any) -> Make:
        # It ends at 1 / 25 / 400 of the peak: our 1e-4.
        return lambda optimizer: lr_scheduler.OneCycleLR(
            optimizer, 1.0, anneal_strategy=anneal, div_factor=25, final_div_factor=400, **settings
        )

    rise, fall = theirs(cycle("linear"), TOTAL), theirs(cycle("cos"), TOTAL)
    assert factors(Curve(name="one_cycle", warmup=warmup / TOTAL)) == pytest.approx(
        rise[1 : warmup + 1] + fall[warmup:], rel=1e-9
    )


def multiplied(make: Make, warmup: int) -> Make:
    """PyTorch's scheduler times its linear warm-up."""

    def chained(optimizer: torch.optim.Optimizer) -> Any:
        if not warmup:
            return make(optimizer)
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
        return lr_scheduler.ChainedScheduler([rise, make(optimizer)])

    return chained


@pytest.mark.parametrize("warmup", [0, 2, 10])  # the last one reaches beyond the first fall of either
def test_step_is_that_of_pytorch_in_epochs(warmup: int):
    schedule = Step(name="step", step_epochs=2, gamma=0.3, warmup=warmup / TOTAL)
    reference = multiplied(lambda o: lr_scheduler.StepLR(o, step_size=2 * EPOCH, gamma=0.3), warmup)
    assert factors(schedule) == pytest.approx(theirs(reference), rel=1e-12)
    assert len({round(rate, 9) for rate in factors(schedule)[warmup:]}) == (5 if warmup <= 8 else 4)


@pytest.mark.parametrize("warmup", [0, 2, 10])
def test_multi_step_is_that_of_pytorch_in_epochs(warmup: int):
    schedule = MultiStep(name="multi_step", milestones=[1, 4, 9, 50], gamma=0.5, warmup=warmup / TOTAL)
    reference = multiplied(
        lambda o: lr_scheduler.MultiStepLR(o, [epoch * EPOCH for epoch in (1, 4, 9, 50)], gamma=0.5), warmup
    )
    assert factors(schedule) == pytest.approx(theirs(reference), rel=1e-12)
    assert factors(schedule)[-1] == 0.125, "what lies behind the end changes nothing"


LOSSES = [9.0, 8.0, 8.0, 7.9999, 8.5, 8.5, 3.0, 3.0, 3.0, 3.0, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9, 2.9]
ACCURACIES = [0.1, 0.5, 0.5001, 0.49, 0.6, 0.60003, 0.6, 0.6, 0.9, 0.8, 0.7, 0.6, 0.9, 0.9, 0.9, 0.9]


@pytest.mark.parametrize("min_scale", [0.0, 0.15])
@pytest.mark.parametrize("threshold", [0.0, 1e-4, 0.1])
@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize(("mode", "values"), [("min", LOSSES), ("max", ACCURACIES)])
def test_plateau_is_that_of_pytorch(mode: Any, values: list[float], patience: int, threshold: float, min_scale: float):
    schedule = Plateau(name="plateau", factor=0.5, patience=patience, threshold=threshold, min_scale=min_scale)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor=0.5, patience=patience, threshold=threshold, min_lr=min_scale, eps=0.0
    )
    history: list[float] = []
    seen = set()
    for epoch, value in enumerate(values):
        expected = optimizer.param_groups[0]["lr"]
        for step in range(epoch * EPOCH, (epoch + 1) * EPOCH):
            assert factor(schedule, step, 1000, epoch, history) == pytest.approx(expected, rel=1e-12)
        seen.add(expected)
        scheduler.step(value)
        history.append(value if mode == "max" else -value)
    assert len(seen) > 1, "the rate fell"


@pytest.mark.parametrize("warmup", [1, 8])
def test_plateau_after_a_warm_up(warmup: int):
    plain = Plateau(name="plateau", factor=0.5, patience=1)
    warm = plain.model_copy(update={"warmup": warmup / TOTAL})
    history = [-3.0] * 10
    rise = factors(Curve(name="constant", warmup=warmup / TOTAL))
    assert factors(warm, history) == [a * b for a, b in zip(rise, factors(plain, history), strict=True)]


def recipe(schedule: dict[str, Any], **data: Any) -> Any:
    content = {"model": "mlp", "init": "default", "data": {"name": "digits", **data}, "train": {"epochs": 1}}
    return parse({**content, "optimizer": {"name": "sgd", "lr": 0.1}, "schedule": schedule})


def test_plateau_watches_the_held_out_part_or_else_the_training_loss():
    rows = [
        {"train_loss": "0.30000000000000004", "train_accuracy": "0.5", "validation_accuracy": "0.25"},  # from a file
        {"train_loss": 0.2, "train_accuracy": "", "validation_accuracy": 0.75},  # of this sitting
    ]
    plateau, metric = {"name": "plateau"}, find("image-classification", "accuracy")
    assert watched(recipe(plateau, validation=0.2), rows, metric) == [0.25, 0.75], "more is better"
    assert watched(recipe(plateau), rows, metric) == [-(0.1 + 0.2), -0.2]
    assert watched(recipe({"name": "cosine"}), rows, metric) == [], "no other schedule looks"


def test_a_run_of_one_step_has_a_rate():
    for name in CURVES:
        for warmup in (0.0, 0.9):
            assert factor(Curve(name=name, warmup=warmup), 0, 1, 0, []) == 1  # type: ignore[arg-type]
