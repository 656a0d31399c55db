"""log.csv of a bundle or a run: a row of numbers for each epoch. Standard library only."""

from __future__ import annotations

import csv
import io
import re

from zoo.errors import ZooError


def read_log(text: str, where: str) -> list[dict[str, str]]:
    """The rows of a log.csv's text: column -> a number as text, or "".

    Raises `ZooError`, which begins with `where`, for columns that are not plain names, for cells that are not numbers,
    and for an epoch that is not a whole one.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(text), restval="", strict=True))
    except csv.Error as error:
        raise ZooError(f"{where} is not CSV ({error}); fetch or publish the bundle again.") from error
    for number, row in enumerate(rows, 2):
        wrong = [column for column, cell in row.items() if not _is_cell(column, cell)]
        if wrong or not row.get("epoch", "0").isdecimal():
            raise ZooError(
                f"{where}, line {number}: {str(wrong[0] if wrong else 'epoch')[:40]!r} is not a column with a number; "
                "fetch or publish the bundle again."
            )
    return rows


def _is_cell(column: str | None, cell: str | list[str]) -> bool:
    if column is None or not isinstance(cell, str) or not re.fullmatch(r"[\w.-]{1,100}", column):
        return False
    try:
        return not cell or (len(cell) < 40 and float(cell) is not None)
    except ValueError:
        return False
