"""CSV, TSV, JSONL and Parquet files, each also gzipped, as columns (pyarrow).

pyarrow, not polars: on 1,000,000 rows its CSV reader takes a third of the time (two cores: 30 columns in 2.0 s against
5.4 s, texts of 200 characters in 0.3 s against 0.9 s); of JSONL and Parquet neither is always faster.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cells import delimiter_of
from zoo.data.own import packed, plain
from zoo.errors import ZooError, some, unknown

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = {"csv": "csv", "tsv": "csv", "tab": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet"}
"""The ending of a file's name (before .gz) -> its format."""
HEAD = 1 << 20  # bytes in which the header must end
BLOCK = 1 << 22
DICTIONARY = 5000
"""A column of text with more different values than this is not kept as a dictionary."""


@dataclass(frozen=True)
class Read:
    """The columns of one file, or of several with the same columns, end to end.

    table: a `pyarrow.Table`. paths: the files, and the number of rows of each. told: sentences on what was found.
    """

    table: Any
    paths: tuple[tuple[Path | None, int], ...]
    told: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What messages call it."""
        return " and ".join(str(path) for path, _ in self.paths[:2] if path) or "the data"

    def file(self, row: int) -> Path | None:
        """The file that a row (from 0) stands in; None for data in memory."""
        for path, count in self.paths:
            if row < count:
                return path
            row -= count
        return None

    def where(self, row: int) -> str:
        """The place of a row (from 0) in its file, `reviews.csv:12`."""
        for path, count in self.paths:
            if row < count:
                return f"row {row + 1}" if path is None else place(path, row)
            row -= count
        return self.name


def format_of(path: Path) -> str | None:
    """ "csv", "jsonl" or "parquet" by the file's name; None for another."""
    return FORMATS.get(path.name.removesuffix(".gz").rpartition(".")[2].lower())


def read(paths: Path | Sequence[Path], *, wanted: Iterable[str] | None = None, text: Iterable[str] = ()) -> Read:
    """The columns of one file, or of several end to end.

    Args:
        wanted: the columns to read, in the order of the file; all by default.
        text: columns to read as text (or categories) even if they look like numbers, so that 007 stays 007.

    Raises `ZooError`, with file and line, for a file that is in none of the formats, is empty, damaged, not UTF-8, or
    has only a header; for a line with too many or too few cells; for a column that is named twice or does not exist.
    """
    paths = [paths] if isinstance(paths, Path) else list(paths)
    wanted = None if wanted is None else list(dict.fromkeys(wanted))
    parts, told = [], []
    for path in paths:
        kind = format_of(path)
        if kind is None:
            raise ZooError(f"{path} is not a CSV, TSV, JSONL or Parquet file (by its name); give one of these.")
        one = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[kind](path, wanted, set(text), told)
        if not one.num_rows:
            raise ZooError(f"{path} has a header but no rows; give at least a few rows below it.")
        parts.append(one)
        give_back()
    import pyarrow as pa

    first = parts[0].column_names
    for path, part in zip(paths, parts, strict=True):
        if part.column_names != first:
            missing = sorted({*first} ^ {*part.column_names})
            raise ZooError(f"{path} has other columns than {paths[0]} ({some(missing)}); make them equal.")
    try:
        table = parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException:
        table = pa.concat_tables([_as_text(part) for part in parts])
    counts = tuple((path, part.num_rows) for path, part in zip(paths, parts, strict=True))
    return Read(table, counts, list(dict.fromkeys(told)))


def give_back() -> None:
    """Free the memory that pyarrow holds but does not use, after reading as much as the file's size."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def header(path: Path) -> tuple[list[str], str]:
    """The names of a CSV file's columns, and its delimiter. Raises `ZooError` as `read` does."""
    with plain.opened(path) as file:
        start = file.read(HEAD)
    text = plain.decoded(start, path, whole=False)
    if not text.strip():
        raise ZooError(f"{path} is empty; name the columns in its first line, and give one row a line below.")
    delimiter = delimiter_of(path.name, text)
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise ZooError(f"{path}:1 is not a header ({error}); name the columns in the first line.") from error
    check_names(names, path)
    return names, delimiter


def check_names(names: Sequence[str], path: Path) -> None:
    """Raise `ZooError` for a header that names a column twice, or holds numbers instead of names."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ZooError(f"{path} names a column twice ({some(twice)}); name each column once in the first line.")
    if names and all(re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", name) for name in names):
        raise ZooError(f"{path}:1 holds numbers, not the columns' names; put a header above the rows.")


def check_known(asked: Iterable[str], names: Sequence[str], where: str, key: str) -> None:
    """Raise `ZooError` with the nearest names for a column that does not exist."""
    for name in asked:
        if name not in names:
            raise ZooError(f"{where}: {key}: {unknown('column', name, names)}")


def place(path: Path, row: int) -> str:
    """`file:line` of a row (from 0). Slow, because it reads the file again; only for messages."""
    kind = format_of(path)
    if kind == "parquet":
        return f"{path}, row {row + 1}"
    with plain.opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")  # type: ignore[arg-type]
        if kind == "jsonl":
            filled = (number for number, line in enumerate(text, 1) if line.strip())
            return f"{path}:{next((n for i, n in enumerate(filled) if i == row), '?')}"
        reader = csv.reader(text, delimiter=header(path)[1])
        before = 0
        for number, cells in enumerate(cells_ for cells_ in _numbered(reader) if cells_[1]):
            if number == row + 1:
                return f"{path}:{cells[0]}"
            before = cells[0]
        return f"{path}:{before}"


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Each row of a CSV reader with the line it begins in."""
    line = 1
    for cells in reader:
        yield line, cells
        line = reader.line_num + 1


def _csv(path: Path, wanted: list[str] | None, text: set[str], told: list[str]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow

    names, delimiter = header(path)
    if wanted is not None:
        check_known(wanted, names, str(path), "data.columns")
        wanted = [name for name in names if name in wanted]
    if delimiter != "," and not path.name.removesuffix(".gz").endswith((".tsv", ".tab")):
        shown = {"\t": "tab", ";": "semicolon", "|": "|"}[delimiter]
        told.append(f"{path.name}: cells are separated by {shown}.")
    convert = arrow.ConvertOptions(
        include_columns=wanted,
        column_types={name: pa.string() for name in text if name in names},
        true_values=[],
        false_values=[],
        auto_dict_encode=True,
        auto_dict_max_cardinality=DICTIONARY,
        timestamp_parsers=[arrow.ISO8601, "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S"],
    )
    parse = arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True)

    def parsed(block: int) -> pa.Table:
        zipped = path.suffix == ".gz"
        with plain.opened(path) if zipped else pa.input_stream(str(path), compression=None) as source:
            options = arrow.ReadOptions(block_size=block)
            table = arrow.read_csv(source, read_options=options, parse_options=parse, convert_options=convert)
        if any("binary" in str(entry.type) for entry in table.schema):  # pyarrow's type for text that is not UTF-8
            plain.refuse_bytes(path)
        return table

    try:
        try:
            return parsed(BLOCK)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
        return parsed(1 << 30)  # one row is longer than a block
    except (pa.ArrowInvalid, OSError) as error:
        plain.refuse_bytes(path)
        raise _csv_error(path, names, delimiter, str(error)) from error


def _csv_error(path: Path, names: list[str], delimiter: str, why: str) -> ZooError:
    """The error for a faulty CSV file, with the line, which the csv module finds (pyarrow only knows rows)."""
    with plain.opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")  # type: ignore[arg-type]
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        line = 1
        try:
            for line, cells in _numbered(reader):
                if cells and len(cells) != len(names):
                    return ZooError(
                        f"{path}:{line} has {len(cells)} cells, and the header names {len(names)} columns; put cells "
                        "that hold the delimiter or a line break in quotes."
                    )
        except csv.Error as error:
            return ZooError(f"{path}:{line} is not CSV ({error}); close its quotes, or double those within a cell.")
    return ZooError(f"{path} cannot be read as CSV ({' '.join(why.split())}); give one row a line, below a header.")


def _jsonl(path: Path, wanted: list[str] | None, text: set[str], told: list[str]) -> pa.Table:
    import json

    import pyarrow as pa
    from pyarrow import json as arrow

    try:
        with plain.opened(path) as file:
            size = arrow.ReadOptions(block_size=BLOCK)
            source = pa.BufferReader(file.read().removeprefix(plain.BOM))
            table = arrow.read_json(source, read_options=size)
    except pa.ArrowException as error:
        for number, line in enumerate(plain.lines(path), 1):
            try:
                right = not line.strip() or isinstance(json.loads(line), dict)
            except (ValueError, RecursionError):
                right = False
            if not right:
                raise ZooError(f"{path}:{number} is not a JSON object; give one object a line.") from error
        if "straddling" in str(error) or "changed from" in str(error) or "did not match" in str(error):
            return _loose(path, wanted)
        raise ZooError(f"{path} cannot be read as JSON lines ({' '.join(str(error).split())}).") from error
    for entry in table.schema:
        if pa.types.is_nested(entry.type) and (wanted is None or entry.name in wanted):
            raise ZooError(f"{path}: {entry.name} holds lists or objects; give one text or number a column.")
    return _selected(table, wanted, path)


def _loose(path: Path, wanted: list[str] | None) -> pa.Table:
    """JSON lines in which a column mixes text and numbers, or a line is very long: every value as text."""
    import json

    import pyarrow as pa

    rows = [json.loads(line) for line in plain.lines(path) if line.strip()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values)
        except pa.ArrowException:
            columns[name] = pa.array(
                [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values]
            )
    return _selected(pa.table(columns), wanted, path)


def _parquet(path: Path, wanted: list[str] | None, text: set[str], told: list[str]) -> pa.Table:
    return packed.table(path, wanted)


def _selected(table: pa.Table, wanted: list[str] | None, path: Path) -> pa.Table:
    check_known(wanted or [], table.column_names, str(path), "data.columns")
    return table if wanted is None else table.select([name for name in table.column_names if name in wanted])


def _as_text(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
