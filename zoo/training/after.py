"""What follows an epoch: the metrics on the held-out part, the row of log.csv, and whether the run is finished."""

from __future__ import annotations

import math
import time
from typing import Any

from zoo.training import saving, selection
from zoo.training.epoch import figures
from zoo.training.machine import processes
from zoo.training.measure import measure
from zoo.training.run import write_log
from zoo.training.state import Fixed, Learner, Now


def close(fixed: Fixed, learner: Learner, now: Now) -> bool:
    """Measure the model, add the epoch's row to the log, and keep the weights if the epoch is the best so far.

    Returns whether it is the best; always False if the recipe does not keep the best epoch.
    """
    place = now.place
    row = {
        "epoch": place.epoch + 1,
        "step": place.step,
        **figures(fixed, now),
        "seconds": round(place.seconds, 2),
    }
    if fixed.setup.validates:
        started = time.perf_counter()
        row |= _validated(fixed, learner)
        place.seconds += time.perf_counter() - started
    now.rows.append(row)
    best = fixed.recipe.train.keep_best and selection.is_best(_values(fixed, now))
    if processes.is_main():
        if best:
            saving.keep_best(fixed, learner, now)
        write_log(fixed.folder, now.rows)
    return best


def is_over(fixed: Fixed, now: Now) -> bool:
    """Whether the run has done all its steps, or `train.early_stopping` has waited long enough for a better epoch."""
    if now.place.step >= fixed.total:
        return True
    stop = fixed.recipe.train.early_stopping
    return stop is not None and selection.is_exhausted(_values(fixed, now), stop.patience, stop.min_delta)


def _values(fixed: Fixed, now: Now) -> list[float]:
    return selection.measured(now.rows, fixed.recipe.evaluate.metric, fixed.metric)


def _validated(fixed: Fixed, learner: Learner) -> dict[str, Any]:
    """The metrics on the validation split, measured by one process."""
    values = dict.fromkeys(fixed.metrics, 0.0)
    if fixed.held is not None:
        values = measure(learner.published, fixed.held, fixed.task, fixed.metrics)
    told = processes.told_by_main(list(values.values()), fixed.device)
    # A metric that cannot be computed in this epoch leaves an empty cell in the log.
    return {
        f"validation_{name}": value if math.isfinite(value) else "" for name, value in zip(values, told, strict=True)
    }
