"""What the commands print."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO

from zoo import streams
from zoo.display import harmless, one_line, written


class Messages:
    """Standard error that goes quiet once its reader is gone; the command still does its work."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except (OSError, ValueError):  # the reader has gone, the disk is full, or it is closed
            drop(self.stream)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except (OSError, ValueError, AttributeError):
            drop(self.stream)


class Harmless:
    """Standard output without control characters: no text of a file, a label or a server can move the cursor or hide
    text."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self.stream.write(harmless(text))
        return len(text)


class Aside:
    """Standard output while a command makes a document: what anybody else prints goes to standard error."""

    def __init__(self, stream: TextIO, document: TextIO) -> None:
        self.stream: TextIO = stream
        self.document: TextIO = document

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def drop(stream: TextIO | None) -> None:
    """Discard what is left of a stream."""
    with suppress(AttributeError, ValueError, OSError):  # without a stream or a file nothing is left
        number = stream.fileno()  # type: ignore[union-attr]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        if nowhere != number:
            os.close(nowhere)


def document(content: Any) -> None:
    """Print the one JSON document of a command."""
    out = getattr(sys.stdout, "document", sys.stdout)
    print(json.dumps(_finite(content), indent=2, allow_nan=False), file=out)
    streams.flush(out)


def _finite(content: Any) -> Any:
    """The same with null for NaN and infinities, which JSON does not have."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    return [_finite(value) for value in content] if isinstance(content, list | tuple) else content


def facts(content: dict[str, Any], indent: str = "") -> None:
    """Keys and values, one a line; what is nested is indented, what is empty left out; a list of rows is a table."""
    for key, value in content.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            print(f"{indent}{one_line(key)}:")
            facts(value, f"{indent}  ")
        elif isinstance(value, list) and isinstance(value[0], dict):
            print(f"{indent}{key}:")
            for row in value:
                print(f"{indent}  " + "  ".join(one_line(written(value)) for value in row.values()))
        else:
            told = ", ".join(map(written, value)) if isinstance(value, list) else written(value)
            print(f"{indent}{one_line(key)}: {one_line(told)}")


GAP = "  "
"""Between two columns."""
ROOM = 20
"""The last text of a row is cut only if at least this many columns of the terminal are left for it."""
_NUMBER = re.compile(r"[-+]?[\d.,]+( ?%| [kMGT]?B| s| min| h)?( ± .*)?")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows under a head, one line each, the most important column first, which is never cut.

    In a terminal the columns on the right that do not fit are left out, and a last line names them; the last of all,
    such as a description, is cut if that leaves enough of it. Without a terminal (a pipe, a file) each row stays whole.
    Numbers are aligned to the right.
    """
    for line in lines(head, rows, shutil.get_terminal_size().columns if streams.is_terminal("stdout") else None):
        print(line)


def lines(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], width: int | None) -> list[str]:
    """The lines of `table` in `width` columns of a terminal, or whole if `width` is None."""
    from rich.cells import cell_len, set_cell_size

    columns = [[" ".join(cell.split()) for cell in column] for column in zip(head, *rows, strict=True)]
    widths = [max(map(cell_len, column)) for column in columns]
    numbers = [all(not cell or _NUMBER.fullmatch(cell) for cell in column[1:]) for column in columns]
    fitting = len(columns)
    while width is not None and fitting > 1 and sum(widths[:fitting]) + len(GAP) * (fitting - 1) > width:
        room = width - sum(widths[: fitting - 1]) - len(GAP) * (fitting - 1)
        if fitting == len(columns) and room >= ROOM:
            widths[-1] = room
        else:
            fitting -= 1

    def padded(cell: str, column: int) -> str:
        if cell_len(cell) > widths[column]:
            return set_cell_size(cell, widths[column] - 1) + "…"
        blank = " " * (widths[column] - cell_len(cell))
        return blank + cell if numbers[column] else cell + blank

    shown = [
        GAP.join(padded(cell, column) for column, cell in enumerate(line[:fitting])).rstrip()
        for line in zip(*columns, strict=True)
    ]
    left_out = ", ".join(name for name in head[fitting:] if name)
    return [*shown, f"… wider or in a pipe also: {left_out}"] if left_out else shown
