"""Resuming with a changed recipe: the settings that may differ without changing the training so far."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import ZooError
from zoo.parts import SCHEDULES
from zoo.recipes import Recipe

WITHOUT_A_BIT = ("data.workers",)
"""Settings that change a run's speed and none of its numbers."""


def check_resumable(folder: Path, old: Recipe, new: Recipe, differing: dict[str, str]) -> bool:
    """Whether the run in `folder` continues for more epochs than its recipe had; False if no setting differs that
    changes numbers.

    `differing` maps the keys that differ to a text of both values. Raises `ZooError` if anything except the epochs
    differs, and if more epochs would have changed the training so far.
    """
    counted = {key: text for key, text in differing.items() if key not in WITHOUT_A_BIT}
    if not counted:
        return False
    before, after = old.train.epochs, new.train.epochs
    if set(counted) != {"train.epochs"} or before is None or after is None or after < before:
        raise ZooError(
            f"{folder} was started with another recipe ({'; '.join(list(counted.values())[:4])}); "
            "resume it with its own, or choose another folder."
        )
    if why := _depends_on_the_end(new):
        raise ZooError(
            f"{folder} was started with {before} epochs, and {why}: with {after} epochs, every step from the first "
            f"would have been different. Train {after} epochs from the start with --out, or begin from this run's "
            "weights with "
            f"init_from={folder}."
        )
    return True


def _depends_on_the_end(recipe: Recipe) -> str:
    """The reason why a recipe depends on the length of the run; "" if more epochs only add steps at the end."""
    schedule = recipe.schedule
    if SCHEDULES.outside(schedule.name) is not None:
        return f"schedule.name {schedule.name} may depend on how many there are"
    if schedule.name in ("linear", "cosine", "one_cycle"):
        return f"schedule.name {schedule.name} falls over all of them"
    if schedule.warmup:
        return f"schedule.warmup {schedule.warmup:g} is a part of all of them"
    if getattr(schedule, "restart", None):
        return "schedule.restart comes at a part of all of them"
    if recipe.data.augment.progressive:
        return "data.augment.progressive grows the images over a part of all of them"
    return ""
