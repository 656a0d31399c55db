"""Series of numbers: rows of channels, as CSV text holds them, and the scale that models see them on."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from zoo.errors import ZooError


def parse(text: str, channels: Sequence[str], where: str) -> Tensor:
    """The named channels of CSV text, in that order: float32 (T, C), one row a line.

    The first line names the columns; columns that are not channels (a date) are ignored. Raises `ZooError`, naming
    `where`, if the text lacks a channel or a channel holds something that is not a number.
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


TIMES = ("date", "time", "datetime", "timestamp", "ds")
"""What a column of times is usually called, in any case."""


def times_in(columns: Mapping[str, Sequence[Any]], channels: Sequence[str]) -> Sequence[Any] | None:
    """The column of times among those that are no channels: one with such a name, or the first of dates alone."""
    others = {name: cells for name, cells in columns.items() if name not in channels and len(cells)}
    named = [name for name in others if str(name).strip().lower() in TIMES]
    for name in named:
        return others[name]
    for cells in others.values():
        try:
            if not any(isinstance(_time(cell), Real) for cell in cells):  # numbers may be anything
                return cells
        except ValueError:
            continue
    return None


def in_time(rows: Tensor, times: Sequence[Any], last: int, where: Callable[[int], str]) -> Tensor:
    """The last rows in time, at most `last`, oldest first, whatever their order was.

    `times` has a date, a time or a number for each row. Raises `ZooError`, beginning with `where(row)`, for a time that
    is none, and among the rows that are given back for one that is missing, stands there twice, or is another step.
    """
    import numpy as np

    from zoo.data.own.series import check_steps

    stamps = []
    for row, cell in enumerate(times):
        try:
            stamps.append(_time(cell))
        except ValueError as error:
            raise ZooError(
                f"{where(row)}: the time is {cell!r}; write it as 2026-01-31 13:00, or leave the column out."
            ) from error
    if len({type(stamp) for stamp in stamps}) > 1:
        raise ZooError(f"{where(0)}: some times are dates and some are numbers; write all of them alike.")
    found = np.array(stamps)
    order = np.argsort(found, kind="stable")[-last:]
    check_steps(found[order], lambda row: where(int(order[row])))
    return rows[torch.from_numpy(order.copy())]


def _time(cell: Any) -> Any:
    """A cell as numpy's time, or as a number; `ValueError` if it is neither."""
    import numpy as np

    if isinstance(cell, str):
        text = cell.strip().replace(" ", "T").replace("/", "-").removesuffix("Z")
        if not text[:1].isdigit():  # numpy reads "now" and "today" too
            raise ValueError
        try:
            return float(text)
        except ValueError:
            return _dated(np.datetime64(text, "us"))
    if isinstance(cell, Real):
        return _dated(np.float64(cell))
    try:
        return _dated(np.datetime64(cell, "us"))
    except TypeError as error:
        raise ValueError from error


def _dated(time: Any) -> Any:
    if time != time:  # a blank in a frame
        raise ValueError
    return time


def standardise(series: Tensor, input: dict[str, Any]) -> Tensor:
    """Rows (…, C) in their own units -> in standard deviations from the mean, by a bundle's `mean` and `std`."""
    return (series - series.new_tensor(input["mean"])) / series.new_tensor(input["std"])


def restore(standardised: Tensor, input: dict[str, Any]) -> Tensor:
    """What `standardise` was given."""
    return standardised * standardised.new_tensor(input["std"]) + standardised.new_tensor(input["mean"])
