"""Tables: what stands in their columns, from the text of a CSV file to what a table model reads."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from zoo.errors import ZooError

LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True)
class Columns:
    """What stands in the columns of a table: the names of numbers first, then of each category all that it may be.

    unit: what the targets count, where they are numbers. dates: those of the numbers that are days since 1970, and
    dates in the rows that people have. unseen_is_blank: whether a category that training never saw counts as a blank;
    if not, it is refused.
    """

    numbers: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    unit: str = ""
    dates: tuple[str, ...] = ()
    unseen_is_blank: bool = False


class Row(dict[str, str]):
    """A line of a CSV file, column -> cell, that knows where it stands."""

    def __init__(self, cells: Mapping[str, str], where: str) -> None:
        super().__init__(cells)
        self.where = where

    def __str__(self) -> str:
        return self.where


def read_csv(text: str, name: str) -> list[Row]:
    """The rows of a CSV file whose first line names the columns; `name` is the file's, for messages.

    Raises `ZooError` with the line where a row has more or fewer cells than there are columns.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = list(reader.fieldnames or [])
        if len(set(header)) < len(header):
            raise ZooError(f"{name} names a column twice; name each column once in the first line.")
        rows = []
        for cells in reader:
            where = f"{name}:{reader.line_num}"
            if not any(cell for cell in cells.values() if isinstance(cell, str) and cell.strip()):
                continue  # a line of commas, which spreadsheets leave at the end
            if None in cells or None in cells.values():
                raise ZooError(f"{where} does not have {len(header)} cells, one for each column of the first line.")
            rows.append(Row(cells, where))
    except csv.Error as error:
        line = reader.reader.line_num
        raise ZooError(f"{name}:{line} is no CSV ({error}); give one row a line, below a header.") from error
    return rows


def encode(rows: Iterable[Mapping[str, Any]], columns: Columns) -> Tensor:
    """Rows -> float32 (N, columns): numbers as they are, then the place of each category, NaN for a blank.

    A blank is None, NaN, or text without a character; other columns of a row are left alone. Raises `ZooError` for a
    row that lacks a column, for a number that is none, and for a category that is not among the column's.
    """
    found = [_encode(row, columns) for row in rows]
    return torch.tensor(found, dtype=torch.float32).view(len(found), len(columns.numbers) + len(columns.categories))


def _encode(row: Mapping[str, Any], columns: Columns) -> list[float]:
    where = row.where if isinstance(row, Row) else "the row"
    for name in (*columns.numbers, *columns.categories):
        if name not in row:
            raise ZooError(f"{where} lacks the column {name!r}; give it, empty where the value is not known.")
    numbers = [(_date if name in columns.dates else _number)(row[name], name, where) for name in columns.numbers]
    return numbers + [
        _place(row[name], name, known, where, columns.unseen_is_blank) for name, known in columns.categories.items()
    ]


def _number(cell: Any, name: str, where: str) -> float:
    if _is_blank(cell):
        return math.nan
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):  # the last for an int beyond all floats
        value = math.inf
    if abs(value) > LARGEST:
        raise ZooError(f"{where}: {name} is {cell!r} where a number is expected; leave it empty if it is not known.")
    return value


def _date(cell: Any, name: str, where: str) -> float:
    """Days since 1970 of a date or time, as ISO 8601 writes it or as an object that does."""
    if _is_blank(cell):
        return math.nan
    try:
        text = cell.isoformat() if hasattr(cell, "isoformat") else str(cell).strip().replace("/", "-")
        when = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError as error:
        raise ZooError(
            f"{where}: {name} is {cell!r} where a date is expected; write it as 2026-01-31, or leave it empty if it is "
            "not known."
        ) from error
    return (when.replace(tzinfo=None) - datetime(1970, 1, 1)) / timedelta(days=1)


def category(cell: Any) -> str:
    """A category as text, whatever it was read from."""
    return str(cell).strip().removesuffix(".0")  # which programs add to the whole numbers of a column with blanks


def _place(cell: Any, name: str, known: tuple[str, ...], where: str, unseen_is_blank: bool) -> float:
    if _is_blank(cell):
        return math.nan
    text = category(cell)
    if text not in known:
        if unseen_is_blank:
            return math.nan
        raise ZooError(
            f"{where}: {name} is {text!r}, which is none of {', '.join(known)}; leave it empty if it is not known."
        )
    return float(known.index(text))


def _is_blank(cell: Any) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or (isinstance(cell, Real) and cell != cell)


def describe(table: Tensor, columns: Columns, log: Collection[str]) -> dict[str, Any]:
    """What `normalize` needs to know, as plain values: of each number the mean and the standard deviation in `table`.

    Of the numbers in `log` they are those of the logarithm. Blanks count for neither.
    """
    numbers = {}
    for name, values in zip(columns.numbers, table.double().unbind(1), strict=False):
        known = values[~values.isnan()]
        known = _log(known) if name in log else known
        if len(known) < 2:  # of a small file
            numbers[name] = {"log": name in log, "mean": known.mean().item() if len(known) else 0.0, "std": 1.0}
            continue
        numbers[name] = {"log": name in log, "mean": known.mean().item(), "std": known.std().item() or 1.0}
    categories = {name: list(known) for name, known in columns.categories.items()}
    more = {"dates": list(columns.dates), "unseen_is_blank": True} if columns.unseen_is_blank else {}
    return {"numbers": numbers, "categories": categories, "unit": columns.unit, **more}


def normalize(table: Tensor, input: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """What `encode` gives -> numbers (N, F) float32 and codes (N, C) int64, as a table model reads them.

    `input` is a bundle's. Numbers get mean 0 and standard deviation 1, after a logarithm where `log` says so; a blank
    stays NaN. A category's code is its place from 1; 0 is a blank.
    """
    about = list(input["numbers"].values())
    numbers, places = table.tensor_split([len(about)], 1)
    log, mean, std = (numbers.new_tensor([one[key] for one in about]) for key in ("log", "mean", "std"))
    numbers = (torch.where(log.bool(), _log(numbers), numbers) - mean) / std
    return numbers, (places + 1).nan_to_num(0).long()


def _log(values: Tensor) -> Tensor:
    """The logarithm of 1 and so much more; of a negative number minus that of its size, so that none is left out."""
    return values.sign() * values.abs().log1p()
