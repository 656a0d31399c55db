"""Tables: rows of numbers and categories, all normalised once and kept on the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split
from zoo.data import table as tables
from zoo.errors import ZooError, unknown
from zoo.kinds import Described, Kind
from zoo.kinds.feed import Feed, Inputs, refuse_augment, shuffled_batches
from zoo.recipes import Recipe


def describe(recipe: Recipe, data: DataSet, train: Split, folder: Path) -> Described:
    columns = data.table
    assert columns is not None and isinstance(train.inputs, Tensor)
    return Described(
        {"kind": "table", **tables.describe(train.inputs, columns, recipe.data.table.log)},
        {"numbers": len(columns.numbers), "categories": [len(known) for known in columns.categories.values()]},
    )


def blank(config: dict[str, Any]) -> Inputs:
    numbers, categories = (len(config["input"][key]) for key in ("numbers", "categories"))
    return tables.normalize(torch.full((2, numbers + categories), torch.nan), config["input"])


def training(
    recipe: Recipe, split: Split, config: dict[str, Any], tokenizer: Path | None, device: torch.device
) -> Feed:
    targets = split.targets.to(device)
    numbers, codes = tables.normalize(split.inputs.to(device), config["input"])  # type: ignore[union-attr]

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return (numbers[indices], codes[indices]), targets[indices]

    return shuffled_batches(recipe, len(targets), device, load)


def evaluation(
    split: Split, config: dict[str, Any], tokenizer: Path | None, size: int, device: torch.device
) -> Iterator[tuple[Inputs, Tensor]]:
    for rows, targets in zip(split.inputs.split(size), split.targets.split(size), strict=True):  # type: ignore[union-attr]
        yield tables.normalize(rows.to(device), config["input"]), targets.to(device)


def check(recipe: Recipe, data: DataSet) -> None:
    refuse_augment(recipe, data)
    assert data.table is not None
    for name in recipe.data.table.log:
        if name not in data.table.numbers:
            raise ZooError(f"data.table.log: {unknown('number', name, data.table.numbers)}")


KIND = Kind(
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    shape=lambda config: (len(config["input"]["numbers"]) + len(config["input"]["categories"]),),
    samples=lambda config: " and ".join(f"{len(config['input'][key])} {key}" for key in ("numbers", "categories")),
    check=check,
)
