"""What the commands print."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO


class Messages:
    """Standard error that goes quiet where nobody reads it any more: what was asked for is done all the same."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except BrokenPipeError:
            drop(self.stream)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except BrokenPipeError:
            drop(self.stream)


def drop(stream: TextIO | None) -> None:
    """Send what is left of a stream nowhere."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def document(content: Any) -> None:
    """The one JSON document of a command that was asked for it."""
    print(json.dumps(content, indent=2), file=sys.__stdout__, flush=True)


def facts(content: dict[str, Any], indent: str = "") -> None:
    """Keys and values, one a line; what is nested is indented, what is empty left out; a list of rows is a table."""
    for key, value in content.items():
        if value in (None, [], {}):
            continue
        if isinstance(value, dict):
            print(f"{indent}{key}:")
            facts(value, f"{indent}  ")
        elif isinstance(value, list) and isinstance(value[0], dict):
            print(f"{indent}{key}:")
            for row in value:
                print(f"{indent}  " + "  ".join(f"{x:.4f}" if isinstance(x, float) else str(x) for x in row.values()))
        else:
            print(f"{indent}{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Rows under a head, as wide as the terminal, and as they are where there is none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(*head, box=None, pad_edge=False)
    for row in rows:
        grid.add_row(*map(Text, row))
    # A pipe has no width: there each row stays whole.
    Console(width=None if sys.stdout.isatty() else 200, soft_wrap=not sys.stdout.isatty()).print(grid)
