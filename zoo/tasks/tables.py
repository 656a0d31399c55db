"""What the tasks on tables share: how the row that a person has becomes what a model reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.data.table import Columns, Row, encode, normalize, read_csv
from zoo.errors import ZooError


def unpack(raw: Any) -> list[Any] | None:
    """The rows of a CSV file, given by its path, whose first line names the columns, or of the text of a JSON array.

    None for one row. Raises `ZooError` for a file that cannot be read, is empty, or has a header alone.
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
    rows = read_csv(text, str(path))
    if not rows:
        raise ZooError(f"{path} has a header but no rows; give at least one row below it.")
    return rows


def _list(text: str) -> list[Any]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ZooError(f"the rows {text[:40]!r} are not JSON ({error}); give a list of objects.") from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise ZooError(f"row {number} of the JSON list is not an object; give pairs of column and value.")
    return rows


def prepare(raw: list[Any], input: dict[str, Any], tokenizer: None = None) -> tuple[Tensor, Tensor]:
    """Rows -> numbers (N, F) float32 and codes (N, C) int64, as `zoo.data.table.normalize` gives them.

    A row is a mapping column -> value, or the text of a JSON object that is one. It needs every column of `input`, in
    any order; a value that is not known is None, NaN or empty text. Columns that the model does not read, such as the
    target, may be there too. Raises `ZooError` for what is no row, a column that is not there, a number that is none,
    a category that the training data do not have, and a row in which the model has nothing to read, as one of totals.
    """
    # A weight of one's own data says what a date is, and that a category which it never saw counts as a blank.
    more = {"dates": tuple(input.get("dates", ())), "unseen_is_blank": bool(input.get("unseen_is_blank"))}
    columns = Columns(tuple(input["numbers"]), input["categories"], **more)
    rows = [_row(one) for one in raw]
    table = encode(rows, columns)
    for row, blank in zip(rows, table.isnan().all(1).tolist(), strict=True):
        if blank:
            held = {name: cell for name, cell in row.items() if cell is not None and str(cell).strip()}
            where = row.where if isinstance(row, Row) else f"the row {str(held)[:60]}" if held else "a row"
            raise ZooError(f"{where} is blank in every column that the model reads; leave it out, or fill it in.")
    return normalize(table, input)


def _row(raw: Any) -> Mapping[str, Any]:
    if _is_json(raw):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise ZooError(f"the row {raw[:40]!r} is no JSON object ({error}); give column and value pairs.") from error
    if not isinstance(raw, Mapping):
        raise ZooError(f"{type(raw).__name__} is no row; give a dict of columns, a JSON object, or a CSV file's path.")
    return raw


def _is_json(raw: Any) -> bool:
    return isinstance(raw, str) and raw.lstrip().startswith("{")
