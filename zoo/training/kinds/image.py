"""Images: uint8 (N, C, H, W) in memory, augmented a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split
from zoo.data.transforms import augmented, check_augment, normalize
from zoo.errors import ZooError
from zoo.recipes import Recipe
from zoo.training.feed import Feed, Inputs, shuffled_batches
from zoo.training.kinds import Described, Kind


def describe(recipe: Recipe, data: DataSet, train: Split, folder: Path) -> Described:
    channels, *size = train.inputs.shape[1:]  # type: ignore[union-attr]
    return Described(
        {
            "kind": "image",
            "channels": channels,
            "size": size,
            "maximum": data.maximum,
            "mean": recipe.data.mean,
            "std": recipe.data.std,
        },
        {},
    )


def blank(config: dict[str, Any]) -> Inputs:
    return (torch.zeros(2, config["input"]["channels"], *config["input"]["size"]),)


def training(
    recipe: Recipe, split: Split, config: dict[str, Any], tokenizer: Path | None, device: torch.device
) -> Feed:
    images, targets = split.inputs.to(device), split.targets.to(device)  # type: ignore[union-attr]

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        x, y = augmented(
            images[indices],
            targets[indices],
            config["input"],
            recipe.data.augment,
            generator,
            progress,
            len(config["labels"]),
        )
        return (x,), y

    return shuffled_batches(recipe, len(targets), device, load)


def evaluation(
    split: Split, config: dict[str, Any], tokenizer: Path | None, size: int, device: torch.device
) -> Iterator[tuple[Inputs, Tensor]]:
    for images, targets in zip(split.inputs.split(size), split.targets.split(size), strict=True):  # type: ignore[union-attr]
        yield (normalize(images.to(device), config["input"]),), targets.to(device)


def check(recipe: Recipe, data: DataSet) -> None:
    channels, height, width = data.train.inputs.shape[1:]  # type: ignore[union-attr]
    check_augment(recipe.data.augment, height, width)
    for key in ("mean", "std"):
        values = getattr(recipe.data, key)
        if len(values) not in (1, channels):
            raise ZooError(f"data.{key} has {len(values)} values; give one, or one for each channel ({channels}).")


KIND = Kind(
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    samples=lambda config: f"images of {' x '.join(map(str, [config['input']['channels'], *config['input']['size']]))}",
    check=check,
)
