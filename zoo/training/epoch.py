"""One epoch of training: a plain pass over its batches.

All random draws of a step come from generators seeded only by (seed, step), so there is no random state to save.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.kinds.feed import mix
from zoo.training import saving
from zoo.training.building import Step
from zoo.training.machine import draws, memory, processes
from zoo.training.machine.norms import has_batch_norm
from zoo.training.progress import Show
from zoo.training.state import Fixed, Learner, Now, Place
from zoo.training.update.build import set_rate
from zoo.training.update.groups import rest
from zoo.training.update.schedule import factor, watched

LOOK_EVERY = 16
"""Steps between checks of the loss: few enough to stop soon, enough that a GPU need not wait."""


def train(
    fixed: Fixed,
    learner: Learner,
    step: Step,
    now: Now,
    *,
    leaving: Callable[[bool], int],
    trim: Callable[[], None],
    move: Show,
) -> int:
    """Train the rest of the current epoch; returns the number of a signal that stopped it before its end, else 0.

    `leaving(agree)` returns such a signal; if `agree` is True, several processes decide it together. `trim` gives
    memory back, and `move` shows the progress.
    """
    recipe, feed, place = fixed.recipe, fixed.feed, now.place
    learner.model.train()
    rest(learner.model, recipe.optimizer, place.epoch)
    batches, history = feed.plan(place.epoch), watched(recipe, now.rows, fixed.metric)
    generator = torch.Generator(fixed.device)
    clock, now.rate = time.perf_counter(), 0.0
    number = 0

    def goes_on() -> bool:
        return place.position < len(batches) and place.step < fixed.total

    def too_large() -> str:
        return _too_large(fixed, learner, place)

    while goes_on() and not (number := leaving(place.step % LOOK_EVERY == 0)):
        now.rate = recipe.optimizer.lr * factor(recipe.schedule, place.step, fixed.total, place.epoch, history)
        set_rate(learner.optimizer, now.rate, place.epoch)
        _seed(fixed, place.step, generator)
        with memory.enough(too_large):
            indices = batches[place.position]
            inputs, targets = feed.load(indices, generator, place.step / fixed.total)
            outputs, loss = step(inputs, targets, indices)
        now.pending.append(loss)
        place.position += 1
        place.step += 1
        if place.step % LOOK_EVERY == 0:
            _look(fixed, now)
            trim()
            _add_metric(fixed, place, outputs, targets)
            clock = _add_seconds(place, clock)
            move(place.step, {"epoch": place.epoch + 1, **figures(fixed, now)})
            if saving.is_late(now) and goes_on():
                saving.save(fixed, learner, now)
    _add_seconds(place, clock)
    _look(fixed, now)
    return number


def figures(fixed: Fixed, now: Now) -> dict[str, float | str]:
    """The loss and metric of the epoch so far; the metric is taken on every sixteenth batch, with augmentation."""
    recipe, place = fixed.recipe, now.place
    return {
        "lr": now.rate,
        "train_loss": place.loss / max(1, place.looked),
        f"train_{recipe.evaluate.metric}": place.metric / place.metrics if place.metrics else "",
        "samples_per_second": round(place.position * recipe.data.batch_size / max(place.epoch_seconds, 1e-9)),
    }


def _seed(fixed: Fixed, step: int, generator: torch.Generator) -> None:
    """Seed all random draws of this step from the recipe's seed and the step's number."""
    seed = fixed.recipe.train.seed
    draws.seed(mix(seed, 1, step), mix(seed, 1 + 2 * processes.rank(), step), fixed.device)
    generator.manual_seed(mix(seed, 2, step))


def _look(fixed: Fixed, now: Now) -> None:
    """Read the losses since the last check. Raises `ZooError` for a loss that is not a number."""
    place = now.place
    values = torch.stack(now.pending).tolist() if now.pending else []
    for step, value in enumerate(values, place.step - len(values) + 1):
        if not math.isfinite(value):
            raise saving.diverged(fixed, f"the loss is {value} in step {step}")
        place.loss += value  # one by one, so that the rounding of the sum does not depend on when losses are checked
    place.looked += len(values)
    now.pending.clear()


def _add_metric(fixed: Fixed, place: Place, outputs: Tensor, targets: Tensor) -> None:
    augment = fixed.recipe.data.augment
    if augment.mixup is None and augment.cutmix is None:  # with these, targets are blends of classes
        value = fixed.metric(*fixed.task.rows(outputs, targets))
        if math.isfinite(value):  # a small batch may hold only one class
            place.metric += value
            place.metrics += 1


def _add_seconds(place: Place, since: float) -> float:
    """Add the time from `since` until now to the run's seconds; returns the time now (`time.perf_counter`)."""
    clock = time.perf_counter()
    place.epoch_seconds += clock - since
    place.seconds += clock - since
    return clock


def _too_large(fixed: Fixed, learner: Learner, place: Place) -> str:
    """The error message if a step runs out of memory."""
    recipe = fixed.recipe
    pieces = "" if has_batch_norm(learner.model) else f", or set train.accumulate={2 * recipe.train.accumulate}"
    return (
        f"out of memory on {fixed.device} with data.batch_size {recipe.data.batch_size}, in step {place.step + 1} of "
        f"{fixed.total}; {saving.left(fixed.folder)}: lower data.batch_size{pieces}."
    )
