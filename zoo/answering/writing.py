"""Rows of answers into a CSV, TSV, JSONL or Parquet file, whole or not at all, in the memory of a few rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.data.own.reading import format_of
from zoo.errors import ZooError
from zoo.home import replacing

ROWS = 4096  # rows of a Parquet file at a time

Add = Callable[[dict[str, Any]], None]


@contextmanager
def written(path: Path) -> Iterator[Add]:
    """A function that adds one row; the file appears once the body has ended without an error.

    The columns are those of the first row. Raises `ZooError` for a file name with another ending and for a place that
    cannot be written.
    """
    kind = format_of(path)
    if kind is None or path.suffix == ".gz":
        raise ZooError(
            f"{path} does not end in .csv, .tsv, .jsonl or .parquet; give a file name with one of these endings."
        )
    if path.is_dir():
        raise ZooError(f"{path} is a folder; give the name of a file in it.")
    try:
        with (
            replacing(path) as temporary,
            {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[kind](temporary, path) as add,
        ):
            yield add
    except OSError as error:
        raise ZooError(f"{path} cannot be written ({error.strerror or error}); choose another place.") from error


@contextmanager
def _csv(temporary: Path, path: Path) -> Iterator[Add]:
    with open(temporary, "w", encoding="utf-8", newline="") as file:
        writer: Any = None

        def add(row: dict[str, Any]) -> None:
            nonlocal writer
            if writer is None:
                delimiter = "," if path.suffix == ".csv" else "\t"
                writer = csv.DictWriter(
                    file, list(row), delimiter=delimiter, lineterminator="\n", extrasaction="ignore"
                )
                writer.writeheader()
            writer.writerow(row)

        yield add


@contextmanager
def _jsonl(temporary: Path, path: Path) -> Iterator[Add]:
    with open(temporary, "w", encoding="utf-8", newline="\n") as file:
        yield lambda row: print(json.dumps(row, ensure_ascii=False, default=str), file=file)


@contextmanager
def _parquet(temporary: Path, path: Path) -> Iterator[Add]:
    import pyarrow as pa
    from pyarrow import parquet

    rows: list[dict[str, Any]] = []
    writer: Any = None

    def flush() -> None:
        nonlocal writer
        if not rows:
            return
        if writer is None:
            # A column that is blank so far holds text: later values of another type are written as text too.
            table = pa.Table.from_pylist(rows)
            fields = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in table.schema]
            writer = parquet.ParquetWriter(temporary, pa.schema(fields))
        try:
            table = pa.Table.from_pylist(rows, schema=writer.schema)
        except (pa.ArrowException, TypeError) as error:
            raise ZooError(
                f"a column holds values of several types ({error}); write .csv or .jsonl instead of .parquet."
            ) from error
        writer.write_table(table)
        rows.clear()

    def add(row: dict[str, Any]) -> None:
        rows.append(row)
        if len(rows) == ROWS:
            flush()

    try:
        yield add
        flush()
    finally:
        if writer is not None:
            writer.close()
