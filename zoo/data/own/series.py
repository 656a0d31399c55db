"""Series from columns of a file: wide (one column for each series) or long (an id, a time and a value in each row)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from zoo.data.own import parting, rows
from zoo.data.own.columns import as_numbers, is_text, numbers_of, texts_of
from zoo.data.own.dates import ISO, other_form
from zoo.data.own.reading import Read, check_known, read
from zoo.data.split import Split
from zoo.errors import ZooError, some
from zoo.timed import check_steps


def load(files: rows.Files, asked: rows.Asked) -> rows.Loaded:
    """The series of a file, or of train, validation and test files that follow each other in time.

    Wide: every column of numbers is a series (or those that `data.columns.numbers` names), and the rows are equal
    steps apart; `.time` names the column of the time, by default the first column of dates. Long: the columns `.id`,
    `.time` and `.value`; all series have the same times. The end of the series is the test part (`data.split.test`, a
    fifth).

    Raises `ZooError` with the place for a blank, a time that is missing or there twice, and a step of another length.
    """
    reads = rows.reads_of(files, asked, read)
    told = [*dict.fromkeys(line for one in reads.values() for line in one.told)]
    long = [asked.columns.get(key) for key in ("id", "time", "value")]
    if asked.columns.get("id") and not all(long):
        raise ZooError("data.columns: a file with an id in each row needs id, time and value; name all three.")
    parts, names, columns = {}, None, dict(asked.columns)
    if asked.model is not None:
        names = list(asked.model["input"]["channels"])
    stamps: dict[str, Any] = {}
    for part in ("all", "train", "validation", "test"):
        if part in reads:
            make = _long if asked.columns.get("id") else _wide
            parts[part], stamps[part], names, time = make(reads[part], asked, names)
            columns["time"] = time
    assert names is not None
    if not asked.columns.get("id"):
        columns["numbers"] = names
    if "all" not in parts:
        _follow(reads, stamps)
    train, test, validation, split, said = _parted(parts, reads, asked, told)
    told.append(f"{len(names)} series: {some(names, 12)}; {said}.")
    data = rows.data_set(asked, "series", train, test, validation, [], channels=tuple(names))
    return rows.Loaded(data, {key: value for key, value in columns.items() if value}, split, told)


def _parted(
    parts: dict[str, Tensor], reads: Mapping[str, Read], asked: rows.Asked, told: list[str]
) -> tuple[Split, Split, Split | None, dict[str, Any], str]:
    if asked.model is not None:
        everything = parts["all"]
        whole = Split(everything, torch.arange(len(everything)))
        return Split(everything[:0], torch.arange(0)), whole, None, {}, f"{len(everything):,} rows to measure on"
    if "all" in parts:
        series = parts["all"]
        by, column, test = (asked.split.get(key) for key in ("by", "column", "test"))
        if by == "column" and not column:
            raise ZooError("data.split.by is column; name the column to split by in data.split.column.")
        if by == "column":
            chosen = parting.by_column(reads["all"], str(column))
            ends = {
                name: Split(series[: places[-1] + 1].clone(), torch.tensor(places))
                for name, places in chosen.items()
                if places
            }
            said = f"{len(chosen['train']):,} rows to train on and {len(chosen['test']):,} to test on, by {column}"
            kept = {"test": None, "by": "column", "column": column}
            return ends["train"], ends["test"], ends.get("validation"), kept, said
        if by not in (None, "time"):
            raise ZooError(f"data.split.by is {by}, but a series is split by time; set it to time or column.")
        test = 0.2 if test is None else test
        count = len(series) - round(test * len(series))
        train, held = (
            Split(series[:count].clone(), torch.arange(count)),
            Split(series, torch.arange(count, len(series))),
        )
        said = f"the first {count:,} rows to train on, the last {len(series) - count:,} to test on"
        return train, held, None, {"test": test, "by": "time", "column": None}, said
    order = [part for part in ("train", "validation", "test") if part in parts]
    whole, found, begin = torch.cat([parts[part] for part in order]), {}, 0
    for part in order:
        end = begin + len(parts[part])
        found[part] = Split(whole[:end].clone(), torch.arange(begin, end))
        begin = end
    said = ", ".join(f"{len(parts[part]):,} rows to {word} on" for part, word in (("train", "train"), ("test", "test")))
    return found["train"], found["test"], found.get("validation"), {}, said


def _wide(one: Read, asked: rows.Asked, names: list[str] | None) -> tuple[Tensor, Any, list[str], str | None]:
    """(rows (T, C) float32, times, names, the time's column) of a file with one column for each series."""
    import pyarrow as pa

    table = one.table
    given = asked.columns.get("numbers")
    ignored = {*(asked.columns.get("ignore") or []), asked.split.get("column")}
    check_known(given or (), table.column_names, one.name, "data.columns.numbers")
    dates = [entry.name for entry in table.schema if pa.types.is_date(entry.type) or pa.types.is_timestamp(entry.type)]
    time = asked.columns.get("time") or (dates[0] if dates else None)
    check_known([time] if time else [], table.column_names, one.name, "data.columns.time")
    chosen = (
        names
        or list(given or [])
        or [
            name
            for name in table.column_names
            if name != time and name not in ignored and name not in dates and _is_numbers(table.column(name))
        ]
    )
    check_known(chosen, table.column_names, one.name, "data.columns.numbers")
    if not chosen:
        raise ZooError(f"{one.name} has no column of numbers ({some(table.column_names)}); a series is one.")
    if time is None and not given and names is None:
        _refuse_other_dates(one, {*chosen, *ignored})
    values = [numbers_of(one, name, blanks=False, what="the series' value") for name in chosen]
    import numpy as np

    series = torch.from_numpy(np.stack(values, 1).astype("float32"))
    if names is None and len(series) > 1 and (series == series[0]).all():
        raise ZooError(f"{one.name}: {some(chosen)} never changes; there is nothing to forecast.")
    stamps = None
    if time:
        stamps = _times(one, time)
        check_steps(stamps, lambda row: f"{one.where(row)}: {time}")
    return series, stamps, chosen, time


def _refuse_other_dates(one: Read, but: set[Any]) -> None:
    """Raise `ZooError` for a column of dates that are not ISO dates, whose steps and order could not be checked."""
    for name in one.table.column_names:
        column = one.table.column(name)
        if name not in but and is_text(column.type) and (date := other_form(one, name, column)):
            raise ZooError(
                f"{one.name}: {name} holds dates such as {date!r}; write them as {ISO}, or leave the column out "
                "(data.columns.ignore)."
            )


def _is_numbers(column: Any) -> bool:
    import pyarrow as pa

    if is_text(column.type):
        return as_numbers(column) is not None
    return pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)


def _long(one: Read, asked: rows.Asked, names: list[str] | None) -> tuple[Tensor, Any, list[str], str | None]:
    """Like `_wide`, for a file with a row for each series and time."""
    import numpy as np

    identity, time, value = (asked.columns[key] for key in ("id", "time", "value"))
    check_known([identity, time, value], one.table.column_names, one.name, "data.columns")
    ids = np.array(texts_of(one.table.column(identity)), dtype=object)
    stamps, values = _times(one, time), numbers_of(one, value, blanks=False, what="the series' value")
    names = names or list(dict.fromkeys(ids.tolist()))
    columns, first = [], None
    for name in names:
        places = np.flatnonzero(ids == name)
        if not len(places):
            raise ZooError(f"{one.name}: there is no row of the series {name!r} in {identity}; give all series.")
        places = places[np.argsort(stamps[places], kind="stable")]
        check_steps(stamps[places], lambda row, at=places, name=name: f"{one.where(int(at[row]))}: {time} of {name!r}")
        if first is None:
            first = stamps[places]
        elif len(first) != len(places) or (first != stamps[places]).any():
            same = min(len(first), len(places))
            differ = np.flatnonzero(first[:same] != stamps[places][:same])
            row = int(places[differ[0] if len(differ) else same - 1])
            raise ZooError(
                f"{one.where(row)}: the series {name!r} has other times than {names[0]!r} from here on; give all "
                "series the same times, or train one model for each."
            )
        columns.append(values[places])
    return torch.from_numpy(np.stack(columns, 1).astype("float32")), first, names, time


def _times(one: Read, name: str) -> Any:
    """A column of times as a numpy array of datetime64 or of numbers. Raises `ZooError` with the place for others."""
    import numpy as np
    import pyarrow as pa

    column = one.table.column(name)
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        stamps = column.cast(pa.timestamp("us"), safe=False).to_numpy().astype("datetime64[us]")
        if np.isnat(stamps).any():
            raise ZooError(
                f"{one.where(int(np.isnat(stamps).argmax()))}: {name} is empty; fill it in or leave the row out."
            )
        return stamps
    if is_text(column.type) and as_numbers(column) is None:
        found = []
        for row, text in enumerate(texts_of(column)):
            try:
                found.append(np.datetime64(text.strip().replace(" ", "T"), "us"))
            except ValueError as error:
                raise ZooError(
                    f"{one.where(row)}: {name} is {text!r}, which is neither a date in the form of the first rows "
                    "nor in that of ISO 8601; write all as 2026-01-31 or 2026-01-31 13:00."
                ) from error
        return np.array(found)
    return numbers_of(one, name, blanks=False, what="a time")


def _follow(reads: Mapping[str, Read], stamps: Mapping[str, Any]) -> None:
    """Raise `ZooError` if the first row of a file is not one step after the last of the file before."""
    import numpy as np

    order = [part for part in ("train", "validation", "test") if part in stamps]
    for before, after in pairwise(order):
        if stamps[before] is not None and stamps[after] is not None:
            joint = np.concatenate([stamps[before], stamps[after]])
            count = len(stamps[before])
            check_steps(joint, lambda row, n=count, part=after: f"{reads[part].where(max(0, row - n))}: the time")
