"""Finds dates that are not in the form of ISO 8601, since 02/01/2026 may mean two days."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.data.own.reading import Read
from zoo.errors import ZooError

if TYPE_CHECKING:
    import pyarrow as pa

_END = r"([ T].*)?"
FORMS = {
    "2026-01-31": re.compile(rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}{_END}"),
    "2026/01/31": re.compile(rf"\d{{4}}/\d{{1,2}}/\d{{1,2}}{_END}"),
    "31.01.2026": re.compile(rf"\d{{1,2}}\.\d{{1,2}}\.(\d{{4}}|\d{{2}}){_END}"),
    "31/01/2026": re.compile(rf"\d{{1,2}}/\d{{1,2}}/(\d{{4}}|\d{{2}}){_END}"),
    "31-01-2026": re.compile(rf"\d{{1,2}}-\d{{1,2}}-(\d{{4}}|\d{{2}}){_END}"),
    "31 Jan 2026": re.compile(r"\d{1,2}\.? [^\W\d_]{3,10}\.?,? \d{4}"),
    "Jan 31, 2026": re.compile(r"[^\W\d_]{3,10}\.? \d{1,2},? \d{4}"),
}
ISO = "2026-01-31"
LOOKED_AT = 1000


def other_form(read: Read, name: str, column: pa.ChunkedArray) -> str:
    """The first cell of a column of text that holds dates in one form other than ISO 8601; "" if it does not.

    Raises `ZooError` with the place if they have several forms.
    """
    cells = [(row, cell) for row, cell in enumerate(column.slice(0, LOOKED_AT).to_pylist()) if cell and cell.strip()]
    if not cells:
        return ""
    first = _form(cells[0][1])
    forms = [_form(cell) for _, cell in cells]
    if not first or not all(forms):
        return ""
    if all(form == first for form in forms) and len(column) > LOOKED_AT:
        cells += enumerate(column.slice(LOOKED_AT).to_pylist(), LOOKED_AT)
    for row, cell in cells:
        if cell and (form := _form(cell)) and form != first:
            raise ZooError(
                f"{read.where(row)}: {name} is {cell!r}, but earlier dates are written as {cells[0][1]!r}; write all "
                f"as {ISO}, or leave the column out (data.columns.ignore)."
            )
    return "" if first == ISO else cells[0][1]


def _form(cell: str) -> str | None:
    cell = cell.strip()
    return next((name for name, form in FORMS.items() if form.fullmatch(cell)), None)
