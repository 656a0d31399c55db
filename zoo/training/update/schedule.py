"""Learning-rate schedules as pure functions of the place in the run, so that a resumed run need not restore
anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zoo.parts import SCHEDULES, settings
from zoo.recipes import Curve, Plateau, Recipe, Schedule, Step
from zoo.tasks import Metric
from zoo.training.selection import measured

START, END = 1 / 25, 1e-4
"""Where `one_cycle` starts and ends, as parts of the peak (Smith & Topin 2018; 1/25 as in PyTorch's OneCycleLR)."""


def factor(schedule: Schedule, step: int, total: int, epoch: int, history: Sequence[float]) -> float:
    """The factor of the recipe's learning rate in step `step` of `total`, in epoch `epoch`, both counted from 0.

    `history` is the result of `watched`: a value for each epoch before this one; only `plateau` uses it.

    The warm-up rises linearly over the first `warmup * total` steps and reaches 1 in its last one; `one_cycle` rises
    from 1/25, the others from 0. Then `constant` stays, `linear` falls to 0, `cosine` falls to 0 along half a cosine,
    and `one_cycle` falls likewise to 1e-4. With `restart` they do so in the first part of the run, and fall once more
    from `lr_scale` over the rest (Loshchilov & Hutter 2017, SGDR, section 3).

    `step`, `multi_step` and `plateau` count their epochs from the start of the run, and the warm-up multiplies them
    (Goyal et al. 2017, Accurate, Large Minibatch SGD, section 2.2).
    """
    if (part := SCHEDULES.outside(schedule.name)) is not None:
        return part.make(step, total, epoch, **settings(part, schedule))
    if isinstance(schedule, Curve) and schedule.restart:
        first = round(schedule.restart.at * total)
        if step >= first:
            return schedule.restart.lr_scale * _curve(schedule, 1 - (step - first) / (total - first))
        total = first
    rise = round(schedule.warmup * total)
    start = START if schedule.name == "one_cycle" else 0.0
    warm = start + (1 - start) * (step + 1) / rise if step < rise else 1.0
    if isinstance(schedule, Curve):
        return warm if step < rise else _curve(schedule, 1 - (step - rise) / max(1, total - rise))
    if isinstance(schedule, Step):
        return warm * schedule.gamma ** (epoch // schedule.step_epochs)
    if isinstance(schedule, Plateau):
        return warm * _plateau(schedule, history)
    return warm * schedule.gamma ** sum(epoch >= milestone for milestone in schedule.milestones)


def watched(recipe: Recipe, rows: list[dict[str, Any]], metric: Metric) -> list[float]:
    """The values that `plateau` watches, from the rows of log.csv: one for each epoch, higher is better.

    It is the recipe's `metric` on the held-out part if there is one, else the training loss; never the test split.
    """
    if not isinstance(recipe.schedule, Plateau):
        return []
    if not recipe.data.validation:
        return [-float(row["train_loss"]) for row in rows]
    return measured(rows, recipe.evaluate.metric, metric)


def _curve(schedule: Curve, left: float) -> float:
    """A curve's value when the part `left` of the steps after the warm-up is still to come."""
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "linear":
        return left
    fall = (1 - math.cos(math.pi * left)) / 2
    return END + (1 - END) * fall if schedule.name == "one_cycle" else fall


def _plateau(schedule: Plateau, history: Sequence[float]) -> float:
    """The scale after these values, as PyTorch's ReduceLROnPlateau finds it with a relative threshold."""
    best, bad, scale = -math.inf, 0, 1.0
    for value in history:
        if best == -math.inf or value - best > schedule.threshold * abs(best):
            best, bad = value, 0
        else:
            bad += 1
        if bad > schedule.patience:
            bad, scale = 0, max(scale * schedule.factor, schedule.min_scale)
    return scale
