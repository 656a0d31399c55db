"""Series in, what comes next out."""

from __future__ import annotations

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
    or `.npy`), or a numpy array or tensor (T, C) with its channels in that order, T at least the context.

    Raises `ZooError` for a file that is no series, other channels, too few rows, and numbers that are not finite.
    """
    return (torch.stack([series.standardise(_rows(one, input), input) for one in raw]),)


def _rows(raw: Any, input: dict[str, Any]) -> Tensor:
    """Any raw series -> its last rows (context, C), float32."""
    name, rows = read(raw, input["channels"])
    context = input["context"]
    if len(rows) < context:
        raise ZooError(f"{name} has {len(rows)} rows, and a forecast looks back at {context}; give at least as many.")
    rows = rows[-context:].float()
    if not rows.isfinite().all():
        raise ZooError(f"{name} holds values that are not finite in its last {context} rows; fill them in.")
    if rows.abs().max() > LARGEST:
        raise ZooError(f"{name} holds a value beyond {LARGEST:g} in its last {context} rows; give it in other units.")
    return rows


def read(raw: Any, channels: list[str]) -> tuple[str, Tensor]:
    """What messages call a raw series, and all of its rows (T, C). Raises `ZooError` for what is no series."""
    if isinstance(raw, (str, os.PathLike)):
        name, rows = str(raw), _from_file(Path(raw), channels)
    elif hasattr(raw, "shape"):
        name, rows = f"the array of shape {tuple(raw.shape)}", to_tensor(raw, "the array")
    else:
        raise ZooError(f"{type(raw).__name__} is no series; give a path, a numpy array or a tensor.")
    if rows.ndim != 2 or rows.shape[1] != len(channels) or rows.is_complex():
        raise ZooError(f"{name} is no series; give rows of {len(channels)} numbers: {', '.join(channels)}.")
    return name, rows


def _from_file(path: Path, channels: list[str]) -> Tensor:
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
    return series.parse(text, channels, str(path))


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
