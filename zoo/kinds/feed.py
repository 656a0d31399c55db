"""Batches from data in memory: a plan of indices for each epoch, and a function from indices to tensors.

Both are pure functions of the seed and the place in the run, so that a resumed run sees what an uninterrupted one sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from zoo.data import DataSet
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.recipes import Recipe

Inputs = tuple[Tensor, ...]
Load = Callable[[Tensor, Generator, float], tuple[Inputs, Tensor]]


@dataclass(frozen=True)
class Feed:
    """The training batches of a run.

    `plan(epoch)` lists the batches of an epoch as index tensors; `load(indices, generator, progress)` gives the model's
    inputs and the targets. `size` is the number of batches in an epoch.
    """

    size: int
    plan: Callable[[int], list[Tensor]]
    load: Load


@dataclass(frozen=True)
class Batches:
    """Batches of at most `size` samples, as (inputs, targets); you can iterate again, because `begin` starts over."""

    size: int
    begin: Callable[[], Iterator[tuple[Inputs, Tensor]]]

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor]]:
        return self.begin()


def mix(seed: int, *place: int) -> int:
    """A seed for one place of the run: 63 bits that depend on all arguments (splitmix64, Steele et al. 2014)."""
    state = seed
    for part in place:
        state = (state + 0x9E3779B97F4A7C15 * (part + 1)) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state >> 1


def shuffled_batches(recipe: Recipe, samples: int, device: torch.device, load: Load) -> Feed:
    """Batches of the recipe's size, in another order in each epoch; an incomplete last batch is dropped from the
    epoch."""
    size = check_batch(recipe, samples)
    count = samples // size

    def plan(epoch: int) -> list[Tensor]:
        order = torch.randperm(samples, generator=Generator().manual_seed(mix(recipe.train.seed, 0, epoch)))
        return list(order[: count * size].view(count, size).to(device))

    return Feed(count, plan, load)


def check_batch(recipe: Recipe, samples: int) -> int:
    """The recipe's batch size; `ZooError` if there are fewer training samples."""
    size = recipe.data.batch_size
    if size > samples:
        raise ZooError(f"data.batch_size is {size}, but there are {samples} training samples; lower it.")
    return size


def refuse_augment(recipe: Recipe, data: DataSet) -> None:
    """Raise `ZooError` if a recipe augments data that are not images."""
    if recipe.data.augment.model_dump(exclude_none=True):
        raise ZooError(f"data.augment is for images, but {data.name} holds {data.kind} data; remove it.")
