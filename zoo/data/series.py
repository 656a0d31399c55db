"""Series of numbers: rows of channels, as CSV text holds them, and the scale that models see them on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo import timed


def parse(text: str, channels: Sequence[str], where: str) -> Tensor:
    """The named channels of CSV text, in that order: float32 (T, C), one row a line.

    The first line names the columns; columns that are not channels (a date) are ignored. Raises `ZooError`, naming
    `where`, if the text lacks a channel or a channel holds something that is not a number.
    """
    return torch.from_numpy(timed.parse(text, channels, where))


def standardise(series: Tensor, input: dict[str, Any]) -> Tensor:
    """Rows (…, C) in their own units -> in standard deviations from the mean, by a bundle's `mean` and `std`."""
    return (series - series.new_tensor(input["mean"])) / series.new_tensor(input["std"])


def restore(standardised: Tensor, input: dict[str, Any]) -> Tensor:
    """The inverse of `standardise`."""
    return standardised * standardised.new_tensor(input["std"]) + standardised.new_tensor(input["mean"])
