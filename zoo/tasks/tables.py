"""What the tasks on tables share: how the row that a person has becomes what a model reads."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from zoo.cells import Columns, Row, row_of, unpack
from zoo.data.table import encode, normalize
from zoo.errors import ZooError

__all__ = ["prepare", "unpack"]


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
    rows = [row_of(one) for one in raw]
    table = encode(rows, columns)
    for row, blank in zip(rows, table.isnan().all(1).tolist(), strict=True):
        if blank:
            held = {name: cell for name, cell in row.items() if cell is not None and str(cell).strip()}
            where = row.where if isinstance(row, Row) else f"the row {str(held)[:60]}" if held else "a row"
            raise ZooError(f"{where} is blank in every column that the model reads; leave it out, or fill it in.")
    return normalize(table, input)
