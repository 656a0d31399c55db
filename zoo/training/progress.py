"""What a person sees while a run trains, on standard error: a live bar on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from zoo.training import processes

Show = Callable[[int, dict[str, Any]], None]


@contextmanager
def bar(name: str, total: int, done: int) -> Iterator[tuple[Show, Show]]:
    """Two functions of (steps done, figures): the first moves the bar, the second prints an epoch's line.

    Of several processes that train together the main one alone speaks.
    """

    def line(step: int, figures: dict[str, Any]) -> None:
        print(f"{name} {100 * step / total:3.0f} %  {text(figures)}", file=sys.stderr, flush=True)

    if not processes.is_main():
        yield (lambda step, figures: None), (lambda step, figures: None)
        return
    if not sys.stderr.isatty():
        yield (lambda step, figures: None), line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %  {task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as progress:
        task = progress.add_task(name, total=total, completed=done, figures="")
        yield (
            lambda step, figures: progress.update(task, completed=step, figures=text(figures)),
            lambda step, figures: progress.console.print(f"{name}  {text(figures)}", highlight=False),
        )


def text(figures: dict[str, Any]) -> str:
    """Figures on one line: the names as words, floats to four digits; what was not measured is left out."""
    words = (
        f"{key.replace('_', ' ')} {f'{value:.4g}' if isinstance(value, float) else value}"
        for key, value in figures.items()
        if value != ""
    )
    return "  ".join(words)
