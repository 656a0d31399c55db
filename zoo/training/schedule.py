"""Learning-rate schedules as pure functions of the step, so that a resumed run has nothing to restore."""

from __future__ import annotations

import math

from zoo.recipes import Schedule

START, END = 1 / 25, 1e-4
"""Where `one_cycle` starts and ends, as parts of the peak (Smith & Topin 2018; 1/25 as in PyTorch's OneCycleLR)."""


def factor(schedule: Schedule, step: int, total: int) -> float:
    """What the recipe's learning rate is multiplied by in step `step` of `total`, counted from 0.

    The warm-up rises linearly over the first `warmup * total` steps and reaches 1 in its last one; `one_cycle` rises
    from 1/25, the others from 0. Then `constant` stays, `linear` falls to 0, `cosine` falls to 0 along half a cosine,
    and `one_cycle` falls likewise to 1e-4.
    """
    rise = round(schedule.warmup * total)
    start = START if schedule.name == "one_cycle" else 0.0
    if step < rise:
        return start + (1 - start) * (step + 1) / rise
    left = 1 - (step - rise) / max(1, total - rise)
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "linear":
        return left
    fall = (1 - math.cos(math.pi * left)) / 2
    return END + (1 - END) * fall if schedule.name == "one_cycle" else fall
