"""Splits rows into training, test and validation, as `data.split` of a recipe says."""

from __future__ import annotations

from typing import Any

import torch

from zoo.data.own.columns import is_text, numbers_of, texts_of
from zoo.data.own.reading import Read
from zoo.data.split import Split, hold_out
from zoo.errors import ZooError, some

PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("validation", "valid", "val", "dev"), "validation"
)
"""The names that a part may have."""
SEED = 0
"""The split does not depend on the run's seed, so that seeds are compared on the same rows."""
WAYS = ("random", "stratify", "group", "time", "column")


def way(split: dict[str, Any], classes: bool) -> dict[str, Any]:
    """`data.split` with its defaults: a fifth for testing, of each class the same share; if the target is a number, any
    rows.

    Raises `ZooError` if this way of splitting needs a column that is not named.
    """
    by = split.get("by") or ("stratify" if classes else "random")
    column = split.get("column")
    if by in ("group", "time", "column") and not column:
        raise ZooError(f"data.split.by is {by}; name the column to split by in data.split.column.")
    if by in ("random", "stratify") and column:
        raise ZooError(f"data.split.column is {column!r}, but data.split.by is {by}; set by to group, time or column.")
    if by == "stratify" and not classes:
        raise ZooError("data.split.by is stratify, which is for classes, but the target is a number; set it to random.")
    test = split.get("test")
    return {"test": None if by == "column" else 0.2 if test is None else test, "by": by, "column": column}


def part(whole: Split, read: Read, split: dict[str, Any]) -> tuple[Split, Split, Split | None]:
    """(training, test, validation) rows of a data set, in their own order. `split` is as `way` gives it.

    Whole groups stay on one side. Raises `ZooError` if a part is left without rows.
    """
    by, test = split["by"], split["test"]
    validation = None
    if by == "column":
        parts = by_column(read, split["column"])
        train, held = (whole.take(parts[name]) for name in ("train", "test"))
        validation = whole.take(parts["validation"]) if parts["validation"] else None
    elif by == "time":
        order = torch.tensor(numbers_of(read, split["column"], blanks=False, what="a time")).argsort(stable=True)
        count = len(whole) - round(test * len(whole))
        train, held = (whole.take(sorted(rows.tolist())) for rows in (order[:count], order[count:]))
    else:
        if by == "random" and not whole.targets.is_floating_point():  # the way for numbers: any rows
            places = torch.arange(len(whole))
            rest, taken = hold_out(Split(places, torch.zeros(len(whole)), whole.groups), test, SEED)
            train, held = (whole.take(side.inputs.tolist()) for side in (rest, taken))
        else:
            train, held = hold_out(whole, test, SEED)
    for name, side in (("train on", train), ("test on", held)):
        if not len(side):
            raise ZooError(
                f"{read.name}: data.split leaves none of the {len(whole)} rows for {name}; change data.split.test "
                f"({test})."
            )
    return train, held, validation


def by_column(read: Read, name: str) -> dict[str, list[int]]:
    """The rows of each part, by the column that names the part; a row without a name is in no part."""
    parts: dict[str, list[int]] = {"train": [], "test": [], "validation": []}
    for row, cell in enumerate(texts_of(read.table.column(name))):
        if (said := cell.strip().lower()) and said not in PARTS:
            raise ZooError(f"{read.where(row)}: {name} is {cell!r}; write train, test or validation.")
        if said:
            parts[PARTS[said]].append(row)
    if not parts["train"] or not parts["test"]:
        raise ZooError(
            f"{read.name}: {name} names no row for training, or none for testing; write train and test there."
        )
    return parts


def groups_of(read: Read, name: str) -> torch.Tensor:
    """The number of each row's group, int64 [N]: that of the first row with the same value."""
    first: dict[str, int] = {}
    column = read.table.column(name)
    cells = texts_of(column) if is_text(column.type) else [str(value) for value in column.to_pylist()]
    return torch.tensor([first.setdefault(cell, row) for row, cell in enumerate(cells)])


def check_classes(train: Split, held: Split, labels: list[str], read: Read) -> None:
    """Raise `ZooError` for a class that is only in the test part: no training could learn it."""
    seen = {*train.targets.unique().tolist()}
    if lost := [labels[c] for c in held.targets.unique().tolist() if c not in seen and c >= 0]:
        raise ZooError(
            f"{read.name}: no training row has the class {some(lost)}, which test rows have; "
            "give rows of it to train on, or leave them out."
        )
