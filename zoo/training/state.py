"""A run in memory: its fixed parts, the parts that training changes, and its place."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from zoo.kinds.feed import Batches, Feed
from zoo.recipes import Recipe
from zoo.tasks import Metric, Task
from zoo.training.setup import Setup


@dataclass(frozen=True)
class Fixed:
    """The parts of a run that never change.

    `feed` gives the batches of `total` steps. `metrics` are measured on `held` after each epoch; `held` is None if
    the recipe holds nothing out, and in every process except the main one.
    """

    recipe: Recipe
    setup: Setup
    folder: Path
    device: torch.device
    task: Task
    metrics: Mapping[str, Metric]
    feed: Feed
    total: int
    held: Batches | None

    @property
    def metric(self) -> Metric:
        """The one of `metrics` that the recipe asks for."""
        return self.metrics[self.recipe.evaluate.metric]


@dataclass(frozen=True)
class Learner:
    """The parts that training changes: the model, its average if the recipe asks for one, the loss (which may have
    parameters of its own), the optimizer, and the scaler of the loss in fp16, which is the accelerator's."""

    model: nn.Module
    average: AveragedModel | None
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    accelerator: Any

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        return self.accelerator.scaler

    @property
    def published(self) -> nn.Module:
        """The model that a run ending now would publish."""
        return self.model if self.average is None else self.average.module

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(chain(self.model.parameters(), self.loss.parameters()))


@dataclass
class Place:
    """Where a run is: what a checkpoint holds beside tensors. `loss` and `metric` are sums since the epoch's start."""

    epoch: int = 0
    position: int = 0
    step: int = 0
    loss: float = 0.0
    looked: int = 0
    metric: float = 0.0
    metrics: int = 0
    epoch_seconds: float = 0.0
    seconds: float = 0.0

    def next_epoch(self) -> Place:
        return Place(epoch=self.epoch + 1, step=self.step, seconds=self.seconds)


@dataclass
class Now:
    """A run in progress: its place, and the rows of log.csv so far.

    `rate` is the learning rate of the last step, `pending` are losses that were not checked yet; `began` and
    `saved_at` are times of `time.monotonic`, of the start and of the last checkpoint.
    """

    place: Place
    rows: list[dict[str, Any]]
    rate: float = 0.0
    pending: list[Tensor] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    saved_at: float = -math.inf
