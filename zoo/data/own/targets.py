"""The target column of a file: class indices and their labels, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.data.own.columns import numbers_of, texts_of
from zoo.data.own.reading import Read
from zoo.errors import ZooError, some

MOST = 10_000
"""A column with more classes than this is a key, not a target."""


def labels_of(texts: Sequence[str]) -> list[str]:
    """The different labels: whole numbers by value, others by their characters."""
    different = sorted({*texts})
    try:
        return sorted(different, key=int) if all(str(int(t)) == t for t in different) else different
    except ValueError:
        return different


def classes(read: Read, name: str, labels: Sequence[str] = ()) -> tuple[Tensor, list[str]]:
    """(class indices int64 [N], labels). If `labels` are given, they are the classes, in that order.

    Raises `ZooError` for an empty cell, fewer than two classes, more than `MOST` or as many as there are rows, and a
    label that is not among the given ones.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = read.table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0)
    levels = [text.strip() for text in texts_of(column.dictionary)]
    codes = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype("int64")
    blank = np.array([not text for text in levels] + [True])  # the last entry is for -1
    if blank[codes].any():
        missing = int(blank[codes].sum())
        where = read.where(int(blank[codes].argmax()))
        raise ZooError(
            f"{where}: the target {name} is empty here and in {missing - 1} other rows; "
            "fill it in, or leave the rows out."
        )
    used = [levels[i] for i in np.unique(codes).tolist()]
    rows = len(codes)
    if not labels:
        if len({*used}) > MOST or (rows > 20 and len({*used}) > rows / 2):
            many = f"{len({*used}):,} different values in {rows:,} rows ({some(used, 3)})"
            raise ZooError(
                f"{read.name}: the target {name} has {many}; "
                "is this a key, or a number? Name the column of the classes in data.columns.target."
            )
        if len({*used}) < 2:
            raise ZooError(
                f"{read.name}: the target {name} is {used[0]!r} in every row; a classifier needs two classes or more."
            )
        labels = labels_of(used)
    places = {label: index for index, label in enumerate(labels)}
    lost = [level for level in used if level not in places]
    if lost:
        row = int(np.isin(codes, [i for i, level in enumerate(levels) if level in lost]).argmax())
        raise ZooError(
            f"{read.where(row)}: {name} is {lost[0]!r}, which is not among the classes ({some(list(labels))}); "
            "correct the cell or leave the row out."
        )
    into = np.array([places.get(level, 0) for level in levels], dtype="int64")
    return torch.from_numpy(into[codes]), list(labels)


def values(read: Read, name: str, *, learned: bool) -> Tensor:
    """The numbers to predict, float32 [N]; `ZooError` with the place for a blank cell and for one that is not a
    number. If they are to be `learned`, `ZooError` also if every row has the same number."""
    found = numbers_of(read, name, blanks=False, what="the number to predict").astype("float32")
    if learned and len(found) > 1 and (found == found[0]).all():
        raise ZooError(f"{read.name}: the target {name} is {found[0]:g} in every row; there is nothing to predict.")
    return torch.from_numpy(found)


def target_of(read: Read, asked: str | None) -> str:
    """The target column: the one asked for, or the only one that is called target, label, class or y."""
    names = read.table.column_names
    if asked is not None:
        return asked
    usual = [name for name in names if name.lower() in ("target", "label", "labels", "class", "y")]
    if len(usual) == 1:
        return usual[0]
    raise ZooError(
        f"{read.name}: which column is the target? Say it with --target (data.columns.target): {some(names, 20)}."
    )


def counted(targets: Tensor, labels: Sequence[str]) -> dict[str, Any]:
    """Label -> how many rows."""
    return dict(zip(labels, torch.bincount(targets, minlength=len(labels)).tolist(), strict=True))
