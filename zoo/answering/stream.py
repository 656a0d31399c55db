"""The rows of a CSV, TSV, JSONL or Parquet file, one at a time, so that a file of any length fits into memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from zoo.data.own import packed, plain
from zoo.data.own.reading import format_of, header
from zoo.errors import ZooError


@dataclass(frozen=True)
class Row:
    """A row as the file has it: cells of CSV are text. `where` is its place, `reviews.csv:12`.

    A `fault` is a row that cannot be read; `cells` then hold what there is of it.
    """

    where: str
    cells: dict[str, Any]
    fault: ZooError | None = None


def columns(path: Path) -> list[str]:
    """The names of a file's columns; for JSONL those of its first object."""
    kind = format_of(path)
    if kind == "csv":
        return header(path)[0]
    return list(next(rows(path), Row("", {})).cells)


def rows(path: Path) -> Iterator[Row]:
    """Every row, in order.

    A line of CSV with too few or too many cells, and a line of JSONL that is not an object, are rows with a `fault`.
    Raises `ZooError` with file and line if the file is not what its name says, is not UTF-8, is empty, or has only a
    header; the error comes at the faulty place, after the rows before it.
    """
    read = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[format_of(path) or "csv"]
    any_row = False
    for row in read(path):
        any_row = True
        yield row
    if not any_row:
        raise ZooError(f"{path} has a header but no rows; give at least one row below it.")


def _csv(path: Path) -> Iterator[Row]:
    names, delimiter = header(path)
    with plain.opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")  # type: ignore[arg-type]
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
                begins, line = line, reader.line_num + 1
                if begins == 1 or not any(cell.strip() for cell in cells):  # or a line of commas from a spreadsheet
                    continue
                fault = None
                if len(cells) != len(names):
                    fault = ZooError(
                        f"{path}:{begins} has {len(cells)} cells, and the header names {len(names)} columns; put cells "
                        "that hold the delimiter or a line break in quotes."
                    )
                yield Row(f"{path}:{begins}", dict(zip_longest(names, cells[: len(names)], fillvalue="")), fault)
        except csv.Error as error:
            raise ZooError(
                f"{path}:{line} is not CSV ({error}); close its quotes, or double the quotes in a cell."
            ) from error
        except UnicodeDecodeError:
            plain.refuse_bytes(path)
            raise


def _jsonl(path: Path) -> Iterator[Row]:
    with plain.opened(path) as file:
        for number, line in enumerate(file, 1):
            line = line.removeprefix(plain.BOM) if number == 1 else line
            if not line.strip():
                continue
            try:
                cells = json.loads(line)
            except (ValueError, RecursionError):
                cells = None
            fault = None
            if not isinstance(cells, dict):
                cells, fault = {}, ZooError(f"{path}:{number} is not a JSON object; give one object a line.")
            yield Row(f"{path}:{number}", cells, fault)


def _parquet(path: Path) -> Iterator[Row]:
    number = 0
    for batch in packed.batches(path):
        for cells in batch.to_pylist():
            number += 1
            yield Row(f"{path}, row {number}", cells)
