"""Series: windows of `context` standardised rows, and the `horizon` rows that follow each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split
from zoo.data.series import standardise
from zoo.errors import ZooError
from zoo.kinds import Described, Kind
from zoo.kinds.feed import Feed, Inputs, refuse_augment, shuffled_batches
from zoo.recipes import Recipe


def describe(recipe: Recipe, data: DataSet, train: Split, folder: Path) -> Described:
    rows, settings = train.inputs.double(), recipe.data.series  # type: ignore[union-attr]
    deviation = rows.std(0, correction=0)
    size = {"context": settings.context, "horizon": settings.horizon}
    return Described(
        {
            "kind": "series",
            **size,
            "channels": list(data.channels),
            "mean": rows.mean(0).tolist(),
            "std": deviation.where(deviation > 0, 1.0).tolist(),  # a channel that stands still
        },
        size,
    )


def blank(config: dict[str, Any]) -> Inputs:
    return (torch.zeros(2, config["input"]["context"], len(config["input"]["channels"])),)


def training(
    recipe: Recipe, split: Split, config: dict[str, Any], tokenizer: Path | None, device: torch.device
) -> Feed:
    windows = Windows(split, config["input"], device)

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return windows.at(indices)

    return shuffled_batches(recipe, len(windows.starts), device, load)


def evaluation(
    split: Split, config: dict[str, Any], tokenizer: Path | None, size: int, device: torch.device
) -> Iterator[tuple[Inputs, Tensor]]:
    windows = Windows(split, config["input"], device)
    for indices in torch.arange(len(windows.starts), device=device).split(size):
        yield windows.at(indices)


class Windows:
    """The windows of a split, in the order of time: every one whose context and horizon lie within its rows."""

    def __init__(self, split: Split, input: dict[str, Any], device: torch.device) -> None:
        self.rows: Tensor = standardise(split.inputs, input).to(device)  # type: ignore[arg-type]
        self.starts: Tensor = starts(split, input["context"], input["horizon"]).to(device)
        self.before: Tensor = torch.arange(-input["context"], 0, device=device)
        self.after: Tensor = torch.arange(input["horizon"], device=device)

    def at(self, indices: Tensor) -> tuple[Inputs, Tensor]:
        """((contexts (N, context, C),), what followed (N, horizon, C)) of the windows at `indices` (N,)."""
        starts = self.starts[indices].unsqueeze(1)
        return (self.rows[starts + self.before],), self.rows[starts + self.after]


def starts(split: Split, context: int, horizon: int) -> Tensor:
    """The rows of the split at which a forecast of `horizon` rows may begin; `ZooError` where there are none."""
    fits = (split.targets >= context) & (split.targets + horizon <= len(split.inputs))
    if not fits.any():
        raise ZooError(
            f"data.series: a context of {context} and a horizon of {horizon} do not fit into {len(split)} rows after "
            f"{len(split.inputs) - len(split)} others; lower them."
        )
    return split.targets[fits]


def check(recipe: Recipe, data: DataSet) -> None:
    refuse_augment(recipe, data)
    for split in (data.train, data.test, data.validation):
        if split is not None:
            starts(split, recipe.data.series.context, recipe.data.series.horizon)


def hold_out(split: Split, fraction: float) -> tuple[Split, Split]:
    """The last rows are held: no forecast that is trained on reaches into them."""
    count = len(split) - round(fraction * len(split))
    end = len(split.inputs) - len(split) + count
    return Split(split.inputs[:end], split.targets[:count]), Split(split.inputs, split.targets[count:])


KIND = Kind(
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    shape=lambda config: (config["input"]["context"], len(config["input"]["channels"])),
    samples=lambda config: f"{config['input']['context']} rows of {', '.join(config['input']['channels'])}",
    check=check,
    hold_out=hold_out,
)
