"""A bundle with its recipe, data and model, so that each is read only once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from zoo import kinds, tasks
from zoo.bundles.format import Bundle
from zoo.bundles.load import load_model
from zoo.bundles.record import Model
from zoo.data import DataSet, Split
from zoo.kinds import Input
from zoo.kinds.feed import Batches
from zoo.recipes import Recipe
from zoo.recipes.of_bundle import recipe_of
from zoo.tasks import Task
from zoo.training import own


@dataclass(frozen=True)
class Opened:
    """A bundle with its recipe, data and model; each is read once, when it is first asked for. The model is on
    `device`."""

    bundle: Bundle
    device: torch.device | str | None = None

    @property
    def task(self) -> Task:
        return tasks.get(self.bundle.config["task"])

    @cached_property
    def recipe(self) -> Recipe:
        return recipe_of(self.bundle)

    @cached_property
    def data(self) -> DataSet:
        return own.load(self.recipe)

    @cached_property
    def model(self) -> Model:
        return load_model(self.bundle, device=self.device)

    @cached_property
    def reads(self) -> Input:
        return kinds.input_of(self.bundle)

    def batches(self, split: Split, device: torch.device) -> Batches:
        """All of a split, encoded as the model reads it."""
        return kinds.get(self.reads.kind).evaluation(split, self.reads, self.recipe.evaluate.batch_size, device)
