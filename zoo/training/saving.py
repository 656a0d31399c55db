"""The files from which a run continues: its checkpoints, and the weights of its best epoch."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from zoo.errors import ZooError
from zoo.training import checkpoint, selection
from zoo.training.machine import processes
from zoo.training.state import Fixed, Learner, Now, Place

SAVE_EVERY = 20.0
"""The least seconds between checkpoints, so that short epochs do not spend their time on writing."""

SAVE_WITHIN = 60.0
"""Seconds after which a checkpoint is written within an epoch too, so that a kill loses no more than these."""

BEST = Path("checkpoints", "best")
"""Where the weights of the best epoch are kept, as a checkpoint of the model alone."""


def is_due(now: Now) -> bool:
    """Whether the last checkpoint is so old that the end of an epoch gets one."""
    return time.monotonic() - now.saved_at > SAVE_EVERY


def is_late(now: Now) -> bool:
    """Whether it is so old that it cannot wait for the end of the epoch."""
    return time.monotonic() - max(now.saved_at, now.began) > SAVE_WITHIN


def save(fixed: Fixed, learner: Learner, now: Now) -> None:
    """Write a checkpoint, after all losses were checked. Raises `ZooError` if the weights are not finite."""
    # A good loss may have had a bad gradient.
    if not all(bool(parameter.isfinite().all()) for parameter in learner.parameters):
        raise diverged(fixed, f"the weights are not finite after step {now.place.step}")
    now.saved_at = time.monotonic()
    if not processes.is_main():
        return
    parts = {"model": learner.model.state_dict(), "loss": learner.loss.state_dict()}
    parts["optimizer"] = checkpoint.optimizer_tensors(learner.optimizer)
    if learner.average is not None:
        parts["average"] = learner.average.state_dict()
    if learner.scaler is not None:
        parts["scaler"] = {k: torch.as_tensor(v) for k, v in learner.scaler.state_dict().items()}
    state = {**vars(now.place), "data": fixed.setup.fingerprint}
    _write(fixed.folder / "checkpoints", now.place.step, parts, state)


def restore(folder: Path, fingerprint: str, learner: Learner) -> Place:
    """The place of the newest whole checkpoint of the run in `folder`, after its tensors were loaded into the
    learner; the beginning if there is none.

    Raises `ZooError` if it belongs to another model, or to other data than those with this fingerprint.
    """
    found = checkpoint.newest(folder / "checkpoints")
    if found is None:
        return Place()
    parts, state = found
    theirs = state.pop("data", "")
    if theirs != fingerprint:
        raise ZooError(
            f"{folder} was trained on other data (fingerprint {theirs[:12]}…) than those at hand "
            f"({fingerprint[:12]}…); bring those back, or start a new run with --out."
        )
    try:
        learner.model.load_state_dict(parts.get("model", {}))
        learner.loss.load_state_dict(parts.get("loss", {}))
        checkpoint.load_optimizer(learner.optimizer, parts.get("optimizer", {}))
        if learner.average is not None:
            learner.average.load_state_dict(parts["average"])
        if learner.scaler is not None:
            learner.scaler.load_state_dict({name: value.item() for name, value in parts["scaler"].items()})
        return Place(**state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ZooError(f"the checkpoint in {folder} belongs to another model; start a new run with --out.") from error


def keep_best(fixed: Fixed, learner: Learner, now: Now) -> None:
    """Keep the weights of this epoch as those of the best one."""
    _write(fixed.folder / BEST, now.place.step, {"model": learner.published.state_dict()}, {})


def best(fixed: Fixed, now: Now) -> dict[str, Tensor]:
    """The weights of the best epoch, the first of equal ones. Raises `ZooError` if they are damaged or gone."""
    values = selection.measured(now.rows, fixed.recipe.evaluate.metric, fixed.metric)
    if max(values) == -math.inf:
        raise ZooError(
            f"train.keep_best has no epoch to keep: the metric on the held-out part was not a number in any of "
            f"{len(values)}; choose another evaluate.metric, or hold out a larger data.validation."
        )
    step = int(now.rows[values.index(max(values))]["step"])
    found = checkpoint.read(fixed.folder / BEST, step)
    if found is None:
        raise ZooError(
            f"the weights of the best epoch, after step {step}, are damaged or gone from {fixed.folder / BEST}; "
            "train again in another folder with --out."
        )
    return found[0]["model"]


def diverged(fixed: Fixed, what: str) -> ZooError:
    return ZooError(f"{what} of {fixed.total}; {left(fixed.folder)}: lower optimizer.lr, or set train.clip.")


def left(folder: Path) -> str:
    """What a run that fails leaves in its folder."""
    kept = checkpoint.saved(folder / "checkpoints")
    said = f"the last good checkpoint, of step {int(kept[-1].stem)}, is kept" if kept else "there is no checkpoint yet"
    return f"{said} in {folder}"


def _write(folder: Path, step: int, parts: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> None:
    try:
        checkpoint.save(folder, step, parts, state)
    except (OSError, SafetensorError) as error:
        raise ZooError(
            f"a checkpoint cannot be written to {folder} ({error}); make room and go on with --resume."
        ) from error
