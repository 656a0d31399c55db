"""Parquet files with a limit on their unpacked size: 20 kB may hold a column of gigabytes, or a text repeated a
million times.

The sizes in a file's head are checked first: the rows times the width of each column, and the bytes of its pages. A
text that many rows share may be stored once (in a dictionary), or as a difference to the text before it; so texts are
read as dictionaries, or few rows at a time, until their lengths are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.data.own import plain
from zoo.errors import ZooError, unknown
from zoo.limits import bomb, unpacked

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 8}
"""Bytes of a value by its type in the file; a text takes 4 bytes in addition to its own."""
DELTA = {"DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"}
"""Texts that are each stored as a difference to the one before; pyarrow does not read these as dictionaries."""
ROWS = 4096  # at a time


class _File(NamedTuple):
    """An open file: the columns to read, how many rows at a time (if not all), and how many bytes they may have."""

    path: Path
    packed: ParquetFile
    schema: pa.Schema
    rows: int | None
    left: int


def table(path: Path, wanted: list[str] | None = None) -> pa.Table:
    """The columns of a Parquet file, or only the `wanted` ones, in the order of the file.

    Raises `ZooError` for a file that is damaged, has no such column, or unpacks to more than `zoo.limits.unpacked`.
    """
    import pyarrow as pa

    with _opened(path, wanted) as file:
        if file.rows:
            return pa.Table.from_batches([*_batches(file)], file.schema).combine_chunks()
        found = file.packed.read(columns=file.schema.names)
        _check(file, found, file.left)
        return pa.Table.from_arrays(_plain(file, found), schema=file.schema)


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file, some thousands at a time. Raises `ZooError` as `table` does, at the faulty place."""
    with _opened(path, None) as file:
        yield from _batches(file)


@contextmanager
def _opened(path: Path, wanted: list[str] | None) -> Iterator[_File]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with plain.opened(path) as file:
            source = pa.BufferReader(file.read()) if path.suffix == ".gz" else file
            metadata = parquet.read_metadata(source)
            source.seek(0)
            schema = metadata.schema.to_arrow_schema()
            for name in wanted or ():
                if name not in schema.names:
                    raise ZooError(f"{path}: data.columns: {unknown('column', name, schema.names)}")
            schema = pa.schema([field for field in schema if wanted is None or field.name in wanted])
            left = unpacked(path)
            rows, texts = _judged(path, metadata, {*schema.names}, left)
            with parquet.ParquetFile(source, metadata=metadata, read_dictionary=texts, pre_buffer=False) as packed:
                yield _File(path, packed, schema, rows, left)
    except (pa.ArrowException, OSError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise ZooError(f"{path} is not a whole Parquet file ({why}); write or fetch it again.") from error


def _judged(path: Path, metadata: Any, names: set[str], left: int) -> tuple[int | None, list[str]]:
    """How many rows to read at a time, if not all, and which texts to read as dictionaries; `ZooError` if the file
    unpacks to too much."""
    size, longest, texts, told = 0, 0, set[str](), set[str]()
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            leaf, chunk = metadata.schema.column(place), metadata.row_group(group).column(place)
            if names.isdisjoint({leaf.path, leaf.path.partition(".")[0]}):
                continue
            width = leaf.length if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" else WIDTHS.get(leaf.physical_type, 4)
            size += chunk.num_values * width + chunk.total_uncompressed_size
            if leaf.physical_type == "BYTE_ARRAY":
                if leaf.path not in names or DELTA & {*chunk.encodings}:  # a part of lists or objects
                    longest = max(longest, chunk.total_uncompressed_size)
                    told.add(leaf.path)
                texts.add(leaf.path)
    if size > left:
        raise bomb(path)
    return max(1, min(ROWS, left // longest)) if longest else None, sorted(texts - told)


def _batches(file: _File) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    left = file.left
    for batch in file.packed.iter_batches(file.rows or ROWS, columns=file.schema.names):
        left = _check(file, batch, left)
        yield pa.RecordBatch.from_arrays(_plain(file, batch), schema=file.schema)


def _check(file: _File, found: Any, left: int) -> int:
    """The bytes that are left after these columns; `ZooError` if the columns need more."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for column in found.columns:
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            if isinstance(chunk, pa.DictionaryArray) and not pa.types.is_primitive(chunk.type.value_type):
                lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())  # type: ignore[attr-defined]
                left -= pc.sum(lengths.take(chunk.indices)).as_py() or 0  # type: ignore[attr-defined]
            else:
                left -= chunk.nbytes
    if left < 0:
        raise bomb(file.path)
    return left


def _plain(file: _File, found: Any) -> list[Any]:
    """The columns with the types of the file's schema: texts are dictionaries only if they are categories."""
    pairs = zip(found.columns, file.schema, strict=True)
    return [column if column.type == field.type else column.cast(field.type) for column, field in pairs]
