"""Series as people have them, in a file or a frame -> rows, the oldest first. Needs only numpy."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from zoo.cells import delimiter_of
from zoo.errors import ZooError, some

MONTHS = {1: "a month", 3: "3 months", 12: "a year"}
TIMES = ("date", "time", "datetime", "timestamp", "ds")
"""The usual names of a column of times, in upper or lower case."""


def from_file(path: Path, channels: Sequence[str], last: int | None) -> Any:
    """The named columns of a CSV file, float32 (T, C) in the order of its times; with `last`, only that many latest
    rows.

    Raises `ZooError` for a file that cannot be read, and as `parse` does; for times as `from_frame` does.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise ZooError(f"{path} cannot be read as CSV text ({why}); give rows of numbers between commas.") from error
    rows, mark = parse(text, channels, str(path)), delimiter_of(path.name, text)
    lines = [number for number, cells in enumerate(csv.reader(text.splitlines(), delimiter=mark), 1) if cells]
    head, *body = (cells for cells in csv.reader(text.splitlines(), delimiter=mark) if cells)
    columns = {
        name.strip(): [cells[place] if place < len(cells) else "" for cells in body] for place, name in enumerate(head)
    }
    times = times_in(columns, channels)
    if times is None:
        return rows
    return _in_time(rows, times, last or len(rows), lambda row: f"line {lines[row + 1]} of {path}")


def from_frame(frame: Any, channels: Sequence[str], last: int | None) -> Any:
    """The named columns of a pandas or polars frame, in any order, as `from_file` gives a file's.

    Raises `ZooError` for a column that is missing or holds anything but numbers, for a cell that is not a time, and
    if among the returned rows a time is missing or there twice, or a step differs.
    """
    import numpy as np

    names = [str(name) for name in frame.columns]
    if missing := [channel for channel in channels if channel not in names]:
        raise ZooError(f"the frame has no column {', '.join(missing)}; give {', '.join(channels)}.")
    columns = {name: frame[own].to_list() for name, own in zip(names, frame.columns, strict=True)}
    try:
        rows = np.array([[float(cell) for cell in columns[channel]] for channel in channels], np.float32).T
    except (TypeError, ValueError) as error:
        raise ZooError(f"the frame holds something else than numbers in {', '.join(channels)}; fill it in.") from error
    times = times_in(columns, channels)
    index = getattr(frame, "index", None)
    if times is None and getattr(getattr(index, "dtype", None), "kind", "") == "M":
        times = list(index)  # type: ignore[arg-type]
    last = len(rows) if last is None else last
    return rows if times is None else _in_time(rows, times, last, lambda row: f"row {row + 1} of the frame")


def parse(text: str, channels: Sequence[str], where: str) -> Any:
    """The named channels of CSV text, in that order: float32 (T, C), one row a line.

    The first line names the columns; columns that are not channels (a date) are ignored. Raises `ZooError`, naming
    `where`, if the text lacks a channel or a channel holds something that is not a number.
    """
    import numpy as np

    lines = csv.reader(text.splitlines(), delimiter=delimiter_of(where, text))
    names = [name.strip() for name in next(lines, [])]
    if missing := [channel for channel in channels if channel not in names]:
        held = some(names) or "nothing"
        wanted = ", ".join(channels)
        raise ZooError(f"{where} has no column {', '.join(missing)}, but {held}; name {wanted} in its first line.")
    columns = [names.index(channel) for channel in channels]
    rows = []
    for number, line in enumerate(lines, 2):
        try:
            if line:
                rows.append([float(line[column]) for column in columns])
        except (ValueError, IndexError) as error:
            raise ZooError(f"line {number} of {where} lacks a number for each of {', '.join(channels)}.") from error
    return np.array(rows, np.float32).reshape(-1, len(columns))


def times_in(columns: Mapping[str, Sequence[Any]], channels: Sequence[str]) -> Sequence[Any] | None:
    """The column of times among those that are not channels: one with a usual name, or the first with only dates."""
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


def _in_time(rows: Any, times: Sequence[Any], last: int, where: Callable[[int], str]) -> Any:
    """The latest rows, at most `last`, oldest first, from rows in any order.

    `times` has a date, a time or a number for each row. Raises `ZooError`, beginning with `where(row)`, for a cell
    that is not a time, and if among the returned rows a time is missing or there twice, or a step differs.
    """
    import numpy as np

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
    return rows[order]


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


def check_steps(stamps: Any, where: Any) -> None:
    """Raise `ZooError`, beginning with `where(row)`, at the first time that is not one step after the time before.

    The step is the most frequent one; months, quarters and years are steps too.
    """
    import numpy as np

    if len(stamps) < 2:
        return
    steps = np.diff(stamps)
    if np.issubdtype(stamps.dtype, np.datetime64):
        months = stamps.astype("datetime64[M]").astype("int64")
        days = (stamps - stamps.astype("datetime64[M]")).astype("timedelta64[us]")
        apart = np.diff(months)
        if (apart == apart[0]).all() and apart[0] in MONTHS and (days == days[0]).all():
            return
    kinds, counts = np.unique(steps, return_counts=True)
    usual = kinds[counts.argmax()]
    close = steps == usual if np.issubdtype(stamps.dtype, np.datetime64) else np.isclose(steps, usual)
    if close.all() and usual > usual * 0:
        return
    row = int((~close).argmax()) + 1 if not close.all() else 1
    step = steps[row - 1]
    zero = step * 0
    what = (
        "stands there twice"
        if step == zero
        else "goes back"
        if step < zero
        else f"comes {_said(step)} after the time before"
    )
    raise ZooError(
        f"{where(row)} {_stamp(stamps[row])} {what}, and the usual step is {_said(usual)}; give rows at equal steps."
    )


def _said(step: Any) -> str:
    import numpy as np

    if not isinstance(step, np.timedelta64):
        return f"{float(step):g}"
    seconds = step / np.timedelta64(1, "s")
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if abs(seconds) >= size and seconds % size == 0:
            return f"{int(seconds // size)} {word}{'s' if seconds // size != 1 else ''}"
    return f"{seconds:g} seconds"


def _stamp(stamp: Any) -> str:
    return str(stamp).replace("T", " ").removesuffix(".000000") if hasattr(stamp, "astype") else f"{stamp:g}"
