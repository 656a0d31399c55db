"""The types of a table's columns: numbers, categories, dates; and which columns are left out, each with the reason."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.data.own.dates import ISO, other_form
from zoo.data.own.reading import Read, check_known
from zoo.errors import ZooError, some

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = re.compile(r"(^|[_\W])(id|key|index|uuid|nr)$|^$|^Unnamed: 0$|[a-z]I[dD]$")
"""Usual names of columns that number the rows or are a key, with another whole number in each row."""
FEW = 20
"""With fewer rows no column counts as a key: all values may differ by chance."""
LEVELS = 1000
"""A column with more categories than this is left out: each category's vector would be trained by few rows."""
LARGEST = 3.4028234663852886e38
DECIMAL_COMMA = re.compile(r"\s*[-+]?\d{1,3}(\.\d{3})*,\d+\s*$|\s*[-+]?\d+,\d+\s*$")


@dataclass(frozen=True)
class Types:
    """The types of a table's columns, each in the order of the file; left_out: name -> reason."""

    numbers: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def told(self) -> list[str]:
        """Sentences for the user."""
        lines = []
        for word in ("numbers", "categories", "dates"):
            if names := getattr(self, word):
                lines.append(f"{word} ({len(names)}): {some(names, 12)}.")
        return lines + [f"left out: {name}: {why}." for name, why in self.left_out.items()]


def found(read: Read, *, given: Mapping[str, Sequence[str]], skip: Sequence[str]) -> Types:
    """The type of each column except those of `skip` (target, group and so on).

    `given` has priority: lists of names under "numbers", "categories" and "dates"; "ignore" leaves columns out. If
    `given` has all three lists, as in a resolved recipe, no types are guessed.

    A column of text is numbers if all of its cells are, dates if it holds ISO dates (pyarrow finds them), and
    categories otherwise. Left out are columns with one value, keys (another value in each row), text with more than
    `LEVELS` different values, and dates in another form. Raises `ZooError` for a decimal comma, for dates in several
    forms, for a column that does not exist, and for one whose given type does not fit.
    """
    table, types = read.table, Types()
    pinned = "resolved" in given
    for key in ("numbers", "categories", "dates", *(() if pinned else ("ignore",))):
        check_known(given.get(key) or (), table.column_names, read.name, f"data.columns.{key}")
    for name in table.column_names:
        if name in skip:
            continue
        column = table.column(name)
        if name in (given.get("ignore") or ()):
            types.left_out[name] = "data.columns.ignore names it"
        elif kind := next((k for k in ("numbers", "categories", "dates") if name in (given.get(k) or ())), None):
            getattr(types, kind).append(name)
        elif pinned:
            types.left_out[name] = "the recipe does not name it"
        else:
            kind, why = _look(read, name, column)
            if why:
                types.left_out[name] = why
            else:
                getattr(types, kind).append(name)
    return types


def _look(read: Read, name: str, column: pa.ChunkedArray) -> tuple[str, str]:
    """The type of a column, and why it is left out (empty if it is not)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows, kind = len(column), column.type
    if column.null_count == rows:
        return "", "it is empty in every row"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "dates", "" if _distinct(column) > 1 else "it has one value"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        ends = pc.min_max(column).as_py()  # type: ignore[attr-defined]
        if ends["min"] == ends["max"]:
            return "", f"it is {ends['min']} in every row"
        whole = pa.types.is_integer(kind) and column.null_count == 0
        counts = whole and (ends["max"] - ends["min"] + 1 == rows or KEYS.search(name))
        if counts and rows >= FEW and _distinct(column) == rows:
            return "", "it is a key: another whole number in each row"
        return "numbers", ""
    if pa.types.is_boolean(kind):
        return "categories", "" if _distinct(column) > 1 else "it has one value"
    if not is_text(kind):
        return "", f"it holds {kind}, not numbers or text"
    if as_numbers(column) is not None:
        return "numbers", ""
    _refuse_decimal_commas(read, name, column)
    if date := other_form(read, name, column):
        return "", f"it holds dates such as {date!r}; write them as {ISO} to have them read"
    levels = _distinct(column)
    if levels == 1:
        return "", f"it is {first_text(column)!r} in every row"
    if rows >= FEW and levels > 0.9 * rows:
        return "", "it is a key or free text: nearly every row has another value"
    if levels > LEVELS:
        return "", f"it has {levels:,} different values, too many for a category"
    return "categories", ""


def is_text(kind: pa.DataType) -> bool:
    """Whether a column's type is text, plain or as a dictionary."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_view = getattr(pa.types, "is_string_view", None)  # since pyarrow 16
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or (is_view is not None and is_view(kind))


def first_text(column: pa.ChunkedArray) -> str:
    return next((str(value) for value in column.slice(0, 1000).to_pylist() if value not in (None, "")), "")


def as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Text as numbers, blanks (white space too) as null; None if any other cell is not a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def cast(part: Any) -> Any:
        part = part if pa.types.is_string(part.type) else part.cast(pa.string())
        trimmed = pc.utf8_trim_whitespace(part)  # type: ignore[attr-defined]
        return pc.if_else(pc.equal(trimmed, ""), None, trimmed).cast(pa.float64())  # type: ignore[attr-defined]

    try:
        if not pa.types.is_dictionary(column.type):
            cast(column.slice(0, 100))  # for most text the first rows decide it
            return cast(column)
        whole = column.unify_dictionaries().combine_chunks()
        if isinstance(whole, pa.ChunkedArray):
            whole = whole.chunk(0)
        numbers = cast(whole.dictionary)
        if numbers.null_count == len(numbers):
            return None
        return pa.chunked_array([numbers.take(whole.indices)])
    except pa.ArrowException:
        return None


def _distinct(column: pa.ChunkedArray) -> int:
    """How many different values a column has, blanks left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
        used = pc.unique(pa.chunked_array([chunk.indices for chunk in column.chunks])).drop_null()  # type: ignore[attr-defined]
        return sum(bool(text.strip()) for text in texts_of(column.chunk(0).dictionary.take(used)))
    return pc.count_distinct(column, mode="only_valid").as_py()  # type: ignore[attr-defined]


def _refuse_decimal_commas(read: Read, name: str, column: pa.ChunkedArray) -> None:
    cells = [cell for cell in column.slice(0, 1000).to_pylist() if cell and cell.strip()]
    if cells and all(DECIMAL_COMMA.match(cell) or re.fullmatch(r"\s*[-+]?\d+\s*", cell) for cell in cells):
        row = next((i for i, cell in enumerate(column.to_pylist()) if cell and "," in cell), None)
        if row is not None:
            raise ZooError(
                f"{read.where(row)}: {name} is {column[row].as_py()!r}, a number with a decimal comma; write decimal "
                "points (and no marks between thousands), or give the column another type in data.columns."
            )


def numbers_of(read: Read, name: str, *, blanks: bool = True, what: str = "a number") -> Any:
    """A column as float64 (numpy), NaN for a blank; `ZooError` with the place for cells that are no numbers or
    infinite."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = read.table.column(name)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if is_text(column.type):
        cast = as_numbers(column)
        if cast is None:
            _refuse_decimal_commas(read, name, column)
            row, cell = next((i, c) for i, c in enumerate(column.to_pylist()) if not _is_number(c))
            raise ZooError(f"{read.where(row)}: {name} is {cell!r} where {what} is expected; correct the cell.")
        column = cast
    elif pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    elif pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        return days_of(column)
    try:
        values = np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype="float64")
    except pa.ArrowException as error:
        raise ZooError(f"{read.name}: {name} holds {column.type} where numbers are expected.") from error
    wrong = np.abs(values) > LARGEST
    if not blanks:
        wrong |= np.isnan(values)
    if wrong.any():
        row = int(wrong.argmax())
        if np.isnan(values[row]):
            raise ZooError(
                f"{read.where(row)}: {name} is empty where {what} is expected; fill it in, or leave the row out."
            )
        raise ZooError(
            f"{read.where(row)}: {name} is {values[row]} where a finite number is expected; correct the cell."
        )
    return values


def days_of(column: pa.ChunkedArray) -> Any:
    """Dates as days since 1970 (with a part of the day), float64, NaN for a blank."""
    import numpy as np
    import pyarrow as pa

    stamps = column.cast(pa.timestamp("us"), safe=False).to_numpy().astype("datetime64[us]")
    days = stamps.astype("int64") / (24 * 3600 * 1e6)
    return np.where(np.isnat(stamps), np.nan, days)


def _is_number(cell: Any) -> bool:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return True
    try:
        return not math.isnan(float(cell)) or str(cell).strip().lower() == "nan"
    except (TypeError, ValueError):
        return False


def texts_of(column: pa.ChunkedArray) -> list[str]:
    """A column as text, blank for null: 3 is "3", 3.5 is "3.5", a date as ISO."""
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        return ["" if v is None or v != v else str(int(v)) if v == int(v) else repr(v) for v in column.to_pylist()]
    return ["" if value is None else value if isinstance(value, str) else str(value) for value in column.to_pylist()]
