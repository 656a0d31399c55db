"""The rows of a table as people have them: mappings, JSON, CSV. Needs only the standard library."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from numbers import Real
from pathlib import Path
from typing import Any

from zoo.errors import ZooError, some

LARGEST = (2 - 2**-23) * 2.0**127
"""The largest float32."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table: first the names of the numbers, then for each category its possible values.

    unit: the unit of the targets if they are numbers. dates: those of the numbers that are days since 1970; in raw
    rows they are dates. unseen_is_blank: whether a category that training never saw counts as a blank;
    if not, it is refused.
    """

    numbers: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    unit: str = ""
    dates: tuple[str, ...] = ()
    unseen_is_blank: bool = False


class Row(dict[str, str]):
    """A line of a CSV file, column -> cell, that knows its place in the file."""

    def __init__(self, cells: Mapping[str, str], where: str) -> None:
        super().__init__(cells)
        self.where = where

    def __str__(self) -> str:
        return self.where


def read_csv(text: str, name: str) -> list[Row]:
    """The rows of a CSV file whose first line names the columns; `name` is the file's, for messages.

    Raises `ZooError` with the line if a row has more or fewer cells than there are columns.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter_of(name, text))
    try:
        header = list(reader.fieldnames or [])
        if len(set(header)) < len(header):
            raise ZooError(f"{name} names a column twice; name each column once in the first line.")
        rows = []
        for cells in reader:
            where = f"{name}:{reader.line_num}"
            if not any(cell for cell in cells.values() if isinstance(cell, str) and cell.strip()):
                continue  # a line with only commas, which spreadsheets leave at the end
            if None in cells or None in cells.values():
                raise ZooError(f"{where} does not have {len(header)} cells, one for each column of the first line.")
            rows.append(Row(cells, where))
    except csv.Error as error:
        line = reader.reader.line_num
        raise ZooError(f"{name}:{line} is not CSV ({error}); give one row a line, below a header.") from error
    return rows


def delimiter_of(name: str, text: str) -> str:
    """The delimiter of a file: the most frequent of comma, semicolon, tab and | in its first line."""
    if name.removesuffix(".gz").lower().endswith((".tsv", ".tab")):
        return "\t"
    first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    counts = {mark: first.count(mark) for mark in ",;\t|"}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def encode_rows(rows: Iterable[Mapping[str, Any]], columns: Columns) -> list[list[float]]:
    """Each row as its numbers and then the place of each category, NaN for a blank.

    A blank is None, NaN, or empty text; other columns of a row are ignored. Raises `ZooError` for a row that lacks a
    column, for a cell that should be a number and is not, and for a category that the column does not have.
    """
    return [_encode(row, columns) for row in rows]


def refuse_blank(rows: Iterable[Mapping[str, Any]], blank: Iterable[bool]) -> None:
    """Raise `ZooError` for the first row that is blank in every column that the model reads, such as a row of
    totals."""
    for row, is_blank in zip(rows, blank, strict=True):
        if is_blank:
            held = {name: cell for name, cell in row.items() if cell is not None and str(cell).strip()}
            where = row.where if isinstance(row, Row) else f"the row {str(held)[:60]}" if held else "a row"
            raise ZooError(f"{where} is blank in every column that the model reads; leave it out, or fill it in.")


def _encode(row: Mapping[str, Any], columns: Columns) -> list[float]:
    where = row.where if isinstance(row, Row) else "the row"
    for name in (*columns.numbers, *columns.categories):
        if name not in row:
            held = some([str(column) for column in row]) if row else "none"
            raise ZooError(
                f"{where} lacks the column {name!r}, it has {held}; add the column, and leave it empty if the value "
                "is not known."
            )
    numbers = [(_date if name in columns.dates else _number)(row[name], name, where) for name in columns.numbers]
    return numbers + [
        _place(row[name], name, known, where, columns.unseen_is_blank) for name, known in columns.categories.items()
    ]


def _number(cell: Any, name: str, where: str) -> float:
    if _is_blank(cell):
        return math.nan
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):  # OverflowError for an int larger than any float
        value = math.inf
    if abs(value) > LARGEST:
        raise ZooError(f"{where}: {name} is {cell!r} where a number is expected; leave it empty if it is not known.")
    return value


def _date(cell: Any, name: str, where: str) -> float:
    """Days since 1970 of a date or time: text in the form of ISO 8601, or an object that prints as it."""
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
    return str(cell).strip().removesuffix(".0")  # some programs add this to the whole numbers of a column with blanks


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


def unpack(raw: Any) -> list[Any] | None:
    """The rows of a file, CSV whose first line names the columns, or JSON; or of the text of a JSON array.

    None for one row. Raises `ZooError` for a file that cannot be read, is empty, or has only a header.
    """
    if not isinstance(raw, (str, os.PathLike)) or _is_json(raw):
        return None
    if isinstance(raw, str) and raw.lstrip().startswith("["):
        return _list(raw)
    path = Path(raw)
    try:
        text = path.read_text(encoding="utf-8-sig")  # -sig: as spreadsheets write it
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ZooError(
            f"{str(path)[:200]} cannot be read ({why}); give the path of a CSV file or a JSON object."
        ) from error
    if not text.strip():
        raise ZooError(f"{path} is empty; name the columns in its first line, and give one row a line below.")
    if text.lstrip()[0] in "[{":
        rows = _list(text) if text.lstrip()[0] == "[" else [row_of(line) for line in _objects(text)]
        if not rows:
            raise ZooError(f"{path} holds no rows; give at least one object.")
        return rows
    rows = read_csv(text, str(path))
    if not rows:
        raise ZooError(f"{path} has a header but no rows; give at least one row below it.")
    return rows


def _objects(text: str) -> list[str]:
    """One object on any number of lines, or one object on each line (JSON Lines)."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return [line for line in text.splitlines() if line.strip()]
    return [text]


def _list(text: str) -> list[Any]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ZooError(f"the rows {text[:40]!r} are not JSON ({error}); give a list of objects.") from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise ZooError(f"row {number} of the JSON list is not an object; give pairs of column and value.")
    return rows


def row_of(raw: Any) -> Mapping[str, Any]:
    """A row as a mapping, or from the text of a JSON object; `ZooError` for anything else."""
    if _is_json(raw):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise ZooError(
                f"the row {raw[:40]!r} is not a JSON object ({error}); give column and value pairs."
            ) from error
    if not isinstance(raw, Mapping):
        raise ZooError(
            f"{type(raw).__name__} is not a row; give a dict of columns, a JSON object, or a CSV file's path."
        )
    return raw


def _is_json(raw: Any) -> bool:
    return isinstance(raw, str) and raw.lstrip().startswith("{")
