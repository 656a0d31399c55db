"""Pictures: the most frequent class; a logistic regression on the pixels; for embeddings the pixels themselves."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from zoo.baselines import Given, Method
from zoo.baselines.linear import logistic, majority, scores
from zoo.data.split import Split
from zoo.kinds import image
from zoo.tasks import Task

SIDE = 32
"""Larger pictures are averaged down to this many pixels a side."""
PART = 256


def linear(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    learned = torch.cat([pixels for pixels, _ in _pixels(given.train, given)])
    mean, std = learned.mean(0), learned.std(0).clamp(min=1e-3)
    # The many features are similar: with a strong penalty it converges in time.
    model = logistic(((learned - mean) / std).numpy(), given, strength=0.01)
    for pixels, truth in _pixels(given.held, given):
        yield scores(model, ((pixels - mean) / std).numpy(), len(given.labels)), truth


def themselves(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    return _pixels(given.held, given)


def _pixels(split: Split, given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    """(N, F) as the model sees them, and the targets."""
    for (images,), truth in image.evaluation(split, given.input, PART, torch.device("cpu")):
        height, width = (min(SIDE, side) for side in images.shape[2:])
        yield adaptive_avg_pool2d(images, (height, width)).flatten(1), truth


def methods(task: Task) -> dict[str, Method]:
    if task.several:
        return {}
    if not task.classes:  # the task's outputs are embeddings
        return {"the pixels": Method(themselves)}
    return {"majority": Method(majority), "linear on pixels": Method(linear, 5000)}
