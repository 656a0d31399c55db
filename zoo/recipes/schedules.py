"""The section `schedule` of a recipe; zoo/training/update/schedule.py says what the learning rate then is."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, field_validator

from zoo.parts import SCHEDULES
from zoo.recipes.base import Count, Fraction, NotNegative, Strict
from zoo.recipes.plugged import plugged

Shrink = Annotated[float, Field(gt=0, lt=1)]


class Restart(Strict):
    """A warm restart: the curve ends at the part `at` of the run and falls once more, from `lr_scale` of the rate."""

    at: Shrink
    lr_scale: Annotated[float, Field(gt=0, le=1)] = 1.0


class Curve(Strict):
    """A curve over the whole run, or to its restart, after a warm-up for the part `warmup` of that."""

    name: Literal["constant", "linear", "cosine", "one_cycle"]
    warmup: Fraction = 0.0
    restart: Restart | None = None


class Step(Strict):
    """`gamma` times the rate after every `step_epochs` epochs; a warm-up for the part `warmup` of the run."""

    name: Literal["step"]
    warmup: Fraction = 0.0
    step_epochs: Count
    gamma: Shrink = 0.1


class MultiStep(Strict):
    """`gamma` times the rate after each of `milestones`, in epochs; a warm-up for the part `warmup` of the run."""

    name: Literal["multi_step"]
    warmup: Fraction = 0.0
    milestones: Annotated[list[Count], Field(min_length=1)]
    gamma: Shrink = 0.1

    @field_validator("milestones")
    @classmethod
    def _rising(cls, milestones: list[int]) -> list[int]:
        if any(a >= b for a, b in pairwise(milestones)):
            raise ValueError("should rise from one to the next")
        return milestones


class Plateau(Strict):
    """`factor` times the rate, down to the part `min_scale` of it, after more than `patience` epochs without progress.

    An epoch is progress if it is better than the best by more than the part `threshold` of it. It watches
    `evaluate.metric` on the held-out part if `data.validation` is above 0, else the training loss. A warm-up for the
    part `warmup` of the run.
    """

    name: Literal["plateau"]
    warmup: Fraction = 0.0
    factor: Shrink = 0.1
    patience: Annotated[int, Field(ge=0)] = 10
    threshold: NotNegative = 1e-4
    min_scale: Fraction = 0.0


Schedule = Annotated[
    SerializeAsAny[Annotated[Curve | Step | MultiStep | Plateau, Field(discriminator="name")]],
    plugged(SCHEDULES, "schedule"),
]
