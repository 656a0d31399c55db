"""The loop: epoch after epoch, checkpointed so that a killed run ends as if it had never stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.recipes import Recipe
from zoo.training import after, epoch, saving
from zoo.training.building import fixed_of, learner_of, step_of
from zoo.training.machine import memory, processes, signals
from zoo.training.progress import bar
from zoo.training.run import Run
from zoo.training.setup import Setup
from zoo.training.state import Now
from zoo.training.track import tracker


@dataclass(frozen=True)
class Trained:
    """The state dict to publish, and the seconds of training in all sessions of the run."""

    state: dict[str, Tensor]
    seconds: float


def fit(
    recipe: Recipe,
    setup: Setup,
    folder: Path,
    device: torch.device,
    track: str | None = None,
    callbacks: Sequence[Callable[[int, dict[str, Any]], object]] = (),
    progress: bool = True,
) -> Trained:
    """Train a recipe in its locked folder, from its newest checkpoint if there is one.

    If several processes train together (`zoo.training.machine.processes`), each calls this; only the main one
    writes.
    Raises `ZooError` if the loss is not a number, memory runs out, or a checkpoint belongs to other data;
    `KeyboardInterrupt` on SIGINT and `SystemExit(143)` on SIGTERM, each after a checkpoint.
    """
    fixed = fixed_of(recipe, setup, folder, device)
    no_room = f"out of memory on {device} before the first step; make the model smaller, or leave out train.average."
    with memory.enough(lambda: no_room):
        learner = learner_of(fixed)
        place = saving.restore(folder, setup.fingerprint, learner)
        step = step_of(fixed, learner)
    now = Now(place, list(Run(folder).log[: place.epoch]))  # epochs after the checkpoint's are done again
    if place.step:
        now.saved_at = time.monotonic()
    with (
        memory.kept() as trim,
        bar(f"{recipe.name}, seed {recipe.train.seed}", fixed.total, place.step, shown=progress) as (move, tell),
        tracker(track, folder, place.step) as note,
        signals.noted() as received,
    ):

        def leaving(agree: bool) -> int:
            """The signal that stops the run, 0 for none. Several processes stop together, so they must agree."""
            number = received[0] if received else 0
            return number if processes.count() == 1 else processes.largest(number, device) if agree else 0

        done = after.is_over(fixed, now)
        while not done:
            if number := epoch.train(fixed, learner, step, now, leaving=leaving, trim=trim, move=move):
                saving.save(fixed, learner, now)
                signals.leave(number)
            best = after.close(fixed, learner, now)
            row = now.rows[-1]
            tell(now.place.step, {k: v for k, v in row.items() if k != "step"})
            note(now.place.step, row)
            for call in callbacks if processes.is_main() else ():
                call(now.place.epoch + 1, dict(row))
            now.place = now.place.next_epoch()
            done = after.is_over(fixed, now)
            number = leaving(True)
            # After a best epoch too: if the run is not deterministic, the repeated epoch may be worse, and the
            # weights that were best before it are already gone.
            if number or done or best or saving.is_due(now):
                saving.save(fixed, learner, now)
            if number:
                signals.leave(number)
    state = saving.best(fixed, now) if recipe.train.keep_best else learner.published.state_dict()
    return Trained({k: v.detach().cpu().contiguous() for k, v in state.items()}, now.place.seconds)
