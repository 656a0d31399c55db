"""Losses over pairs of a batch: whether the batches hold any."""

from __future__ import annotations

import warnings

import torch

from zoo.errors import ZooError
from zoo.kinds.feed import Feed
from zoo.recipes import Pairs, Recipe


def check_pairs(recipe: Recipe, targets: torch.Tensor, feed: Feed) -> None:
    """Check that the batches of the first epoch hold two samples of one label, which such a loss needs.

    Raises `ZooError` if no batch holds such a pair, and warns if some do not.
    """
    if not isinstance(recipe.loss, Pairs):
        return
    batches = feed.plan(0)
    name = recipe.loss.name
    without = sum(len(labels := targets[indices.cpu()]) == len(labels.unique()) for indices in batches)
    if without == len(batches):
        raise ZooError(
            f"no batch of {recipe.data.batch_size} holds two samples of one label, which loss.name {name} "
            "learns from; raise data.batch_size, or give more samples of each label."
        )
    if without:
        lost = "teach it nothing" if name == "triplet" else "can only push samples apart"
        warnings.warn(
            f"loss.name {name}: {without} of the first epoch's {len(batches)} batches hold no two samples of one "
            f"label, so they {lost}; raise data.batch_size, or give more samples of each label.",
            stacklevel=5,
        )
