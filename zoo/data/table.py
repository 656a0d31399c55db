"""Tables: from rows as a person has them to the input of a table model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from zoo.cells import LARGEST, Columns, Row, category, encode_rows, read_csv

__all__ = ["LARGEST", "Columns", "Row", "category", "describe", "encode", "normalize", "read_csv"]


def encode(rows: Iterable[Mapping[str, Any]], columns: Columns) -> Tensor:
    """Rows -> float32 (N, columns): numbers as they are, then the place of each category, NaN for a blank.

    A blank is None, NaN, or empty text; other columns of a row are ignored. Raises `ZooError` for a row that lacks a
    column, for a cell that should be a number and is not, and for a category that the column does not have.
    """
    found = encode_rows(rows, columns)
    return torch.tensor(found, dtype=torch.float32).view(len(found), len(columns.numbers) + len(columns.categories))


def describe(table: Tensor, columns: Columns, log: Collection[str]) -> dict[str, Any]:
    """The statistics that `normalize` needs, as plain values: the mean and standard deviation of each number in
    `table`.

    For the numbers in `log` they are those of the logarithm. Blanks are not counted.
    """
    numbers = {}
    for name, values in zip(columns.numbers, table.double().unbind(1), strict=False):
        known = values[~values.isnan()]
        known = _log(known) if name in log else known
        if len(known) < 2:  # in a small file
            numbers[name] = {"log": name in log, "mean": known.mean().item() if len(known) else 0.0, "std": 1.0}
            continue
        numbers[name] = {"log": name in log, "mean": known.mean().item(), "std": known.std().item() or 1.0}
    categories = {name: list(known) for name, known in columns.categories.items()}
    more = {"dates": list(columns.dates), "unseen_is_blank": True} if columns.unseen_is_blank else {}
    return {"numbers": numbers, "categories": categories, "unit": columns.unit, **more}


def normalize(table: Tensor, input: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The result of `encode` -> numbers (N, F) float32 and codes (N, C) int64, as a table model reads them.

    `input` is a bundle's. Numbers get mean 0 and standard deviation 1, after a logarithm if `log` names them; a blank
    stays NaN. A category's code is its place, counted from 1; 0 is a blank.
    """
    about = list(input["numbers"].values())
    numbers, places = table.tensor_split([len(about)], 1)
    log, mean, std = (numbers.new_tensor([one[key] for one in about]) for key in ("log", "mean", "std"))
    numbers = (torch.where(log.bool(), _log(numbers), numbers) - mean) / std
    return numbers, (places + 1).nan_to_num(0).long()


def _log(values: Tensor) -> Tensor:
    """log(1 + x); for a negative number -log(1 + |x|), so that every number has one."""
    return values.sign() * values.abs().log1p()
