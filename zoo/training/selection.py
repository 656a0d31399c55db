"""Early stopping and the best epoch, decided only from the log, so that a resumed run decides as an uninterrupted
one."""

from __future__ import annotations

import math
from typing import Any

from zoo.tasks import Metric


def measured(rows: list[dict[str, Any]], name: str, metric: Metric) -> list[float]:
    """The validation metric of every epoch so far, turned so that higher is better; -inf if it was not a number."""
    sign = 1.0 if metric.more_is_better else -1.0
    return [_or_worst(sign, row[f"validation_{name}"]) for row in rows]


def _or_worst(sign: float, told: Any) -> float:
    value = sign * float(told) if told != "" else math.nan
    return value if math.isfinite(value) else -math.inf


def is_best(values: list[float]) -> bool:
    """Whether the last epoch is better than all before it; never if its metric was not a number."""
    return values[-1] > max([-math.inf, *values[:-1]])


def is_exhausted(values: list[float], patience: int, min_delta: float) -> bool:
    """Whether none of the last `patience` epochs was better than the best before them by more than `min_delta`."""
    best, waited = float("-inf"), 0
    for value in values:
        best, waited = (value, 0) if value > best + min_delta else (best, waited + 1)
    return waited >= patience
