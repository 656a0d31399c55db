"""Series: windows of `context` standardised rows, and the `horizon` rows that follow each."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from zoo import foreign, timed
from zoo.data import DataSet, Split, series
from zoo.errors import ZooError
from zoo.kinds import Change, Described, Input, Kind, holds
from zoo.kinds.arrays import to_tensor
from zoo.kinds.feed import Batches, Feed, Inputs, refuse_augment, shuffled_batches
from zoo.limits import Count

if TYPE_CHECKING:
    from zoo.recipes import Recipe


@dataclass(frozen=True)
class Series:
    """Series as windows: `horizon` rows are forecast from the `context` rows before them."""

    context: Count = 336
    horizon: Count = 96


LARGEST = 1e12
"""The largest value that a series may have: above 1e19 the squares of the normalisation do not fit into float32."""


def describe(recipe: Recipe, data: DataSet, train: Split[Tensor], begun: Callable[[], Input] | None) -> Described:
    rows, settings = train.inputs.double(), recipe.data.series
    deviation = rows.std(0, correction=0)
    size = {"context": settings.context, "horizon": settings.horizon}
    return Described(
        {
            "kind": "series",
            **size,
            "channels": list(data.channels),
            "mean": rows.mean(0).tolist(),
            "std": deviation.where(deviation > 0, 1.0).tolist(),  # a channel that never changes
        },
        size,
    )


def blank(settings: dict[str, Any]) -> Inputs:
    return (torch.zeros(2, *shape(settings)),)


def shape(settings: dict[str, Any]) -> tuple[int, ...]:
    return settings["context"], len(settings["channels"])


def training(recipe: Recipe, split: Split[Tensor], input: Input, device: torch.device) -> Feed:
    windows = Windows(split, input.settings, device)

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return windows.at(indices)

    return shuffled_batches(recipe, len(windows.starts), device, load)


def evaluation(split: Split[Tensor], input: Input, size: int, device: torch.device) -> Batches:
    windows = Windows(split, input.settings, device)

    def begin() -> Iterator[tuple[Inputs, Tensor]]:
        for indices in torch.arange(len(windows.starts), device=device).split(size):
            yield windows.at(indices)

    return Batches(size, begin)


class Windows:
    """The windows of a split, in the order of time: every one whose context and horizon lie within its rows."""

    def __init__(self, split: Split[Tensor], input: dict[str, Any], device: torch.device) -> None:
        self.rows: Tensor = series.standardise(split.inputs, input).to(device)
        self.starts: Tensor = starts(split, input["context"], input["horizon"]).to(device)
        self.before: Tensor = torch.arange(-input["context"], 0, device=device)
        self.after: Tensor = torch.arange(input["horizon"], device=device)

    def at(self, indices: Tensor) -> tuple[Inputs, Tensor]:
        """((contexts (N, context, C),), the rows after each (N, horizon, C)) of the windows at `indices` (N,)."""
        starts = self.starts[indices].unsqueeze(1)
        return (self.rows[starts + self.before],), self.rows[starts + self.after]


def starts(split: Split[Tensor], context: int, horizon: int) -> Tensor:
    """The rows of the split at which a forecast of `horizon` rows may begin; `ZooError` if there are none."""
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


def fitting(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    """The recipe's horizon and context if they fit; else at most a tenth and a third of the training rows, in whole
    segments."""
    settings = content["data"]["series"]
    rows, held = len(data.train), min(len(data.test), len(data.validation or data.test))
    horizon, context = settings["horizon"], settings["context"]
    if rows >= 3 * context and rows >= 10 * horizon and held >= 2 * horizon:
        return
    horizon = max(1, min(horizon, rows // 10, held // 2))
    segment = content["model_args"].get("segment")
    context = max(1, min(context, rows // 3))
    if segment:
        new = max(1, min(segment, context // 4))
        context = max(new, context // new * new)
        if new != segment:
            yield "model_args.segment", new, "a quarter of the context at most"
    if horizon != settings["horizon"]:
        yield "data.series.horizon", horizon, f"{rows:,} rows to train on, {held:,} to test on"
    if context != settings["context"]:
        yield "data.series.context", context, f"a third of the {rows:,} rows to train on at most"


def hold_out(split: Split[Tensor], fraction: float) -> tuple[Split[Tensor], Split[Tensor]]:
    """Hold out the last rows: no forecast that is trained on reaches into them."""
    count = len(split) - round(fraction * len(split))
    end = len(split.inputs) - len(split) + count
    return Split(split.inputs[:end], split.targets[:count]), Split(split.inputs, split.targets[count:])


def prepare(raw: list[Any], input: Input) -> tuple[Tensor]:
    """Raw series -> one batch (N, context, C), float32: the last `context` rows of each, standardised.

    A raw series is a path (a CSV whose first line names the columns, read for those of `channels`; or
    `.npy`), a frame with these columns in any order, or a numpy array or tensor (T, C) with its channels in that
    order, oldest row first, T at least the context. A column of times, if there is one, puts the rows of a CSV or a
    frame in order.

    Raises `ZooError` for a file that is not a series, other channels, too few rows, numbers that are not finite, and
    times that are not one step apart in the rows that the forecast looks back at.
    """
    return (torch.stack([series.standardise(_rows(one, input.settings), input.settings) for one in raw]),)


def _rows(raw: Any, settings: dict[str, Any]) -> Tensor:
    """Any raw series -> its last rows (context, C), float32."""
    context = settings["context"]
    name, rows = read(raw, settings["channels"], context)
    if len(rows) < context:
        raise ZooError(f"{name} has {len(rows)} rows, and a forecast looks back at {context}; give at least as many.")
    rows = rows[-context:].float()
    if not rows.isfinite().all():
        raise ZooError(f"{name} holds values that are not finite in its last {context} rows; fill them in.")
    if rows.abs().max() > LARGEST:
        raise ZooError(f"{name} holds a value beyond {LARGEST:g} in its last {context} rows; give it in other units.")
    return rows


def read(raw: Any, channels: list[str], last: int | None = None) -> tuple[str, Tensor]:
    """The name of a raw series in messages, and its rows (T, C), oldest first; with `last`, only that many latest rows.

    Raises `ZooError` for an object that is not a series.
    """
    if isinstance(raw, (str, os.PathLike)):
        name, rows = str(raw), _from_file(Path(raw), channels, last)
    elif hasattr(raw, "columns") and hasattr(raw, "shape"):
        name, rows = "the frame", to_tensor(timed.from_frame(raw, channels, last), "the frame")
    elif hasattr(raw, "shape"):
        name, rows = f"the array of shape {tuple(raw.shape)}", to_tensor(raw, "the array")
    else:
        raise ZooError(f"{type(raw).__name__} is not a series; give a path, a numpy array or a tensor.")
    if rows.ndim != 2 or rows.shape[1] != len(channels) or rows.is_complex():
        raise ZooError(f"{name} is not a series; give rows of {len(channels)} numbers: {', '.join(channels)}.")
    return name, rows


def _from_file(path: Path, channels: list[str], last: int | None) -> Tensor:
    if not path.is_file():
        raise ZooError(f"there is no file {path}; give the path of a series.")
    if path.suffix == ".npy":
        return to_tensor(foreign.array(path), str(path))
    return to_tensor(timed.from_file(path, channels, last), str(path))


def golden(settings: dict[str, Any]) -> Any:
    """One wave for each channel, in the channel's units."""
    scales = list(zip(settings["mean"], settings["std"], strict=True))
    rows = [
        [round(mean + std * math.sin(step / 4 + place), 1) for place, (mean, std) in enumerate(scales)]
        for step in range(settings["context"])
    ]
    return {"array": rows, "dtype": "float32"}


def words(settings: dict[str, Any]) -> str:
    return (
        f"The last {settings['context']} rows of a table of {len(settings['channels'])} series, in their own units; "
        f"each series is standardised by its mean and deviation in the training part, and the next "
        f"{settings['horizon']} rows are forecast."
    )


KIND = Kind(
    words=words,
    example='answer = {}("table.csv")',
    golden=golden,
    section=Series,
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    shape=shape,
    samples=lambda settings: f"{settings['context']} rows of {', '.join(settings['channels'])}",
    check=check,
    hold_out=hold_out,
    fitting=fitting,
    holds=(
        holds.count("context"),
        holds.count("horizon"),
        holds.key("channels", holds.is_names, "a list of text"),
        *holds.standardised(lambda settings: (len(settings["channels"]),)),
    ),
    prepare=prepare,
    batch_ndim=3,
)
