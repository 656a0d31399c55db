"""What a person sees of a run, on standard error: a bar and live figures on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from zoo.training.machine import processes

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
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    # The figures have a line to themselves: beside the bar 80 columns would not hold them.
    columns = TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn(), TimeRemainingColumn()
    progress, shown = Progress(*columns, expand=True), Text()
    task = progress.add_task(name, total=total, completed=done)

    def move(step: int, figures: dict[str, Any]) -> None:
        progress.update(task, completed=step)
        shown.plain = text(_short(figures))

    def tell(step: int, figures: dict[str, Any]) -> None:
        progress.update(task, completed=step)
        live.console.print(f"{name}  {text(figures)}", highlight=False)

    with Live(Group(progress, shown), console=Console(stderr=True), refresh_per_second=4) as live:
        yield move, tell


def _short(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures of the epoch so far under names that leave room; none of them are of another split."""
    return {
        key.removeprefix("train_").replace("samples_per_second", "samples/s"): value for key, value in figures.items()
    }


def text(figures: dict[str, Any]) -> str:
    """Figures on one line: the names as words, floats to four digits; what was not measured is left out."""
    words = (
        f"{key.replace('_', ' ')} {f'{value:.4g}' if isinstance(value, float) else value}"
        for key, value in figures.items()
        if value != ""
    )
    return "  ".join(words)
