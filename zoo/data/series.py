"""Series of numbers: rows of channels, as CSV text holds them, and the scale that models see them on."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.errors import ZooError


def parse(text: str, channels: Sequence[str], where: str) -> Tensor:
    """The named channels of CSV text, in that order: float32 (T, C), one row a line.

    The first line names the columns, of which there may be more (a date). Raises `ZooError`, naming `where`, for text
    that lacks a channel or holds something else than a number in one.
    """
    lines = csv.reader(text.splitlines())
    names = [name.strip() for name in next(lines, [])]
    if missing := [channel for channel in channels if channel not in names]:
        raise ZooError(f"{where} has no column {', '.join(missing)}; name {', '.join(channels)} in its first line.")
    columns = [names.index(channel) for channel in channels]
    rows = []
    for number, line in enumerate(lines, 2):
        try:
            if line:
                rows.append([float(line[column]) for column in columns])
        except (ValueError, IndexError) as error:
            raise ZooError(f"line {number} of {where} lacks a number for each of {', '.join(channels)}.") from error
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, len(columns))


def standardise(series: Tensor, input: dict[str, Any]) -> Tensor:
    """Rows (…, C) in their own units -> in standard deviations from the mean, by a bundle's `mean` and `std`."""
    return (series - series.new_tensor(input["mean"])) / series.new_tensor(input["std"])


def restore(standardised: Tensor, input: dict[str, Any]) -> Tensor:
    """What `standardise` was given."""
    return standardised * standardised.new_tensor(input["std"]) + standardised.new_tensor(input["mean"])
