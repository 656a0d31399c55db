"""Series in, what comes next out."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.data import series
from zoo.errors import ZooError
from zoo.tasks import Task
from zoo.tasks.arrays import line, read_npy, to_tensor

LARGEST = 1e12
"""Beyond which no value of a series is believed: the squares of the normalisation would leave float32 at 1e19."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """The rows that follow a series: `answer` (horizon, C) float32 in its own units; `channels` names the C."""

    channels: list[str]
    answer: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: of each channel its values in the order of time, to six digits."""
        columns = self.answer.T.tolist()
        rounded = [[float(f"{value:.6g}") for value in column] for column in columns]
        return {"answer": dict(zip(self.channels, rounded, strict=True))}


def prepare(raw: list[Any], input: dict[str, Any], tokenizer: None = None) -> tuple[Tensor]:
    """Raw series -> one batch (N, context, C), float32: the last `input["context"]` rows of each, standardised.

    A raw series is a path (a CSV whose first line names the columns, of which those of `input["channels"]` are read;
    or `.npy`), a frame with these columns in any order, or a numpy array or tensor (T, C) with its channels in that
    order, oldest row first, T at least the context. A column of times, if there is one, puts the rows of a CSV or a
    frame in order.

    Raises `ZooError` for a file that is no series, other channels, too few rows, numbers that are not finite, and times
    that are not one step apart in the rows that the forecast looks back at.
    """
    return (torch.stack([series.standardise(_rows(one, input), input) for one in raw]),)


def _rows(raw: Any, input: dict[str, Any]) -> Tensor:
    """Any raw series -> its last rows (context, C), float32."""
    context = input["context"]
    name, rows = read(raw, input["channels"], context)
    if len(rows) < context:
        raise ZooError(f"{name} has {len(rows)} rows, and a forecast looks back at {context}; give at least as many.")
    rows = rows[-context:].float()
    if not rows.isfinite().all():
        raise ZooError(f"{name} holds values that are not finite in its last {context} rows; fill them in.")
    if rows.abs().max() > LARGEST:
        raise ZooError(f"{name} holds a value beyond {LARGEST:g} in its last {context} rows; give it in other units.")
    return rows


def read(raw: Any, channels: list[str], last: int | None = None) -> tuple[str, Tensor]:
    """What messages call a raw series, and its rows (T, C), oldest first; with `last` only so many of the latest.

    Raises `ZooError` for what is no series.
    """
    if isinstance(raw, (str, os.PathLike)):
        name, rows = str(raw), _from_file(Path(raw), channels, last)
    elif hasattr(raw, "columns") and hasattr(raw, "shape"):
        name, rows = "the frame", _from_frame(raw, channels, last)
    elif hasattr(raw, "shape"):
        name, rows = f"the array of shape {tuple(raw.shape)}", to_tensor(raw, "the array")
    else:
        raise ZooError(f"{type(raw).__name__} is no series; give a path, a numpy array or a tensor.")
    if rows.ndim != 2 or rows.shape[1] != len(channels) or rows.is_complex():
        raise ZooError(f"{name} is no series; give rows of {len(channels)} numbers: {', '.join(channels)}.")
    return name, rows


def _from_frame(frame: Any, channels: list[str], last: int | None) -> Tensor:
    """Of a frame of pandas' or polars' the columns by their names: their places may be any."""
    names = [str(name) for name in frame.columns]
    if missing := [channel for channel in channels if channel not in names]:
        raise ZooError(f"the frame has no column {', '.join(missing)}; give {', '.join(channels)}.")
    columns = {name: frame[own].to_list() for name, own in zip(names, frame.columns, strict=True)}
    try:
        rows = torch.tensor([[float(cell) for cell in columns[channel]] for channel in channels]).T
    except (TypeError, ValueError) as error:
        raise ZooError(f"the frame holds something else than numbers in {', '.join(channels)}; fill it in.") from error
    times = series.times_in(columns, channels)
    index = getattr(frame, "index", None)
    if times is None and getattr(getattr(index, "dtype", None), "kind", "") == "M":
        times = list(index)  # type: ignore[arg-type]
    last = len(rows) if last is None else last
    return rows if times is None else series.in_time(rows, times, last, lambda row: f"row {row + 1} of the frame")


def _from_file(path: Path, channels: list[str], last: int | None) -> Tensor:
    if not path.is_file():
        raise ZooError(f"there is no file {path}; give the path of a series.")
    if path.suffix == ".npy":
        return to_tensor(read_npy(path), str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ZooError(
            f"{path} cannot be read as CSV text ({line(error)[:-1]}); give rows of numbers between commas."
        ) from error
    rows = series.parse(text, channels, str(path))
    lines = [number for number, cells in enumerate(csv.reader(text.splitlines()), 1) if cells]
    head, *body = (cells for cells in csv.reader(text.splitlines()) if cells)
    columns = {name.strip(): [cells[place] for cells in body] for place, name in enumerate(head)}
    times = series.times_in(columns, channels)
    if times is None:
        return rows
    return series.in_time(rows, times, last or len(rows), lambda row: f"line {lines[row + 1]} of {path}")


def answer(outputs: Tensor, raw: list[Any], config: dict[str, Any]) -> list[Forecast]:
    """Standardised forecasts (N, horizon, C) -> the N answers in the units of the input."""
    restored = series.restore(outputs.float().cpu(), config["input"])
    return [Forecast(list(config["input"]["channels"]), rows) for rows in restored]


def mse(outputs: Tensor, targets: Tensor) -> float:
    """The mean squared error over all numbers of all rows."""
    return float((outputs - targets).double().square().mean())


def mae(outputs: Tensor, targets: Tensor) -> float:
    """The mean absolute error over all numbers of all rows."""
    return float((outputs - targets).double().abs().mean())


TASK = Task(
    name="forecasting",
    kind="series",
    losses=("mse", "mae", "huber"),
    metrics={"mse": mse, "mae": mae},
    prepare=prepare,
    answer=answer,
    batch_ndim=3,
)
