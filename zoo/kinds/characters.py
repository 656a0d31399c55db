"""Running text as the ids of its characters: from windows of `length` of them, each is predicted from those before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split
from zoo.data.split import IGNORED
from zoo.errors import ZooError
from zoo.kinds import Described, Kind
from zoo.kinds.feed import Feed, Inputs, check_batch, mix, refuse_augment
from zoo.recipes import Recipe
from zoo.training.begin import reader


def describe(recipe: Recipe, data: DataSet, train: Split, folder: Path) -> Described:
    symbols = "".join(data.labels)
    if recipe.init_from is not None and reader(recipe.init_from, "characters").config["input"]["symbols"] != symbols:
        raise ZooError(
            f"init_from: {recipe.init_from} writes with other symbols than those of {data.name}; "
            "name a weight with the same ones."
        )
    return Described(
        {"kind": "characters", "symbols": symbols, "length": recipe.data.characters.length}, {"symbols": symbols}
    )


def blank(config: dict[str, Any]) -> Inputs:
    return (torch.zeros(2, 3, dtype=torch.int64),)


def training(
    recipe: Recipe, split: Split, config: dict[str, Any], tokenizer: Path | None, device: torch.device
) -> Feed:
    """Windows end to end from a place that is drawn anew for each epoch, in random order."""
    text = Text(split, config["input"]["length"], device)
    windows = len(split) // text.length - 1  # so many there are wherever the first begins
    size = check_batch(recipe, windows)
    count = windows // size

    def plan(epoch: int) -> list[Tensor]:
        generator = Generator().manual_seed(mix(recipe.train.seed, 0, epoch))
        first = torch.randint(text.length, (1,), generator=generator)
        order = torch.randperm(windows, generator=generator)[: count * size]
        return list((first + order * text.length).view(count, size).to(device))

    def load(begins: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return text.at(begins, text.length)

    return Feed(count, plan, load)


def evaluation(
    split: Split, config: dict[str, Any], tokenizer: Path | None, size: int, device: torch.device
) -> Iterator[tuple[Inputs, Tensor]]:
    """Windows twice as long, of which the first half has been counted before and is there to be looked back at."""
    text = Text(split, config["input"]["length"], device)
    span = min(2 * text.length, len(split))
    ends = torch.arange(span, len(split) + text.length, text.length, device=device).clamp(max=len(split))
    counted = torch.cat([ends.new_zeros(1), ends[:-1]])
    for end, before in zip(ends.split(size), counted.split(size), strict=True):
        inputs, targets = text.at(end - span, span)
        again = (end - span).unsqueeze(1) + torch.arange(span, device=device) < before.unsqueeze(1)
        yield inputs, targets.masked_fill(again, IGNORED)


class Text:
    """A split on a device, to be read in windows."""

    def __init__(self, split: Split, length: int, device: torch.device) -> None:
        self.ids: Tensor = split.inputs.to(device)  # type: ignore[union-attr]
        self.targets: Tensor = split.targets.to(device)
        self.length = length

    def at(self, begins: Tensor, steps: int) -> tuple[Inputs, Tensor]:
        """((ids (N, steps) int64,), those that follow each, likewise) of the windows that begin at `begins` (N,)."""
        places = begins.unsqueeze(1) + torch.arange(steps, device=begins.device)
        return (self.ids[places].long(),), self.targets[places]


def hold_out(split: Split, fraction: float) -> tuple[Split, Split]:
    """The end of the text is held, as in the test split."""
    count = len(split) - round(fraction * len(split))
    return Split(split.inputs[:count], split.targets[:count]), Split(split.inputs[count:], split.targets[count:])


KIND = Kind(
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    shape=lambda config: (config["input"]["length"],),
    samples=lambda config: "ids of characters",
    check=refuse_augment,
    hold_out=hold_out,
)
