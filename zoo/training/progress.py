"""The display of a run: one live line on a terminal or in a notebook, elsewhere a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from zoo import streams
from zoo.training.machine import processes

Show = Callable[[int, dict[str, Any]], None]

EVERY = 10.0
"""Seconds between lines without a terminal: few enough lines to read, and enough to see that the run goes on."""
REFRESH = 0.25
"""Seconds between two states of a notebook's bar; each state is a message to the browser."""
WIDTH = 80
_LAST = ("seconds", "samples/s", "lr")
"""The figures to leave out first if a line is too narrow for all."""


@contextmanager
def bar(name: str, total: int, done: int, *, shown: bool = True) -> Iterator[tuple[Show, Show]]:
    """Two functions of (steps done, figures): the first shows the epoch so far, the second an epoch that has ended.

    On a terminal and in a notebook both move one live display. Elsewhere there is a line for the first epoch, for the
    last, and between them one every `EVERY` seconds. If several processes train together, only the main one
    prints.
    """
    if not (shown and processes.is_main()):
        yield (lambda step, figures: None), (lambda step, figures: None)
    elif streams.is_notebook():
        yield from _cell(name, total, done)
    elif not streams.is_terminal():
        yield from _lines(name, total)
    else:
        yield from _live(name, total, done)


def _lines(name: str, total: int) -> Iterator[tuple[Show, Show]]:
    said = -EVERY
    waiting: list[tuple[int, dict[str, Any]]] = []  # the last epoch that was not printed yet
    began = time.monotonic()

    def line(step: int, figures: dict[str, Any]) -> None:
        nonlocal said
        said = time.monotonic()
        waiting.clear()
        streams.say(f"{name} {100 * step / total:3.0f} %  {text(figures, WIDTH - len(name) - 8)}")

    def move(step: int, figures: dict[str, Any]) -> None:
        if time.monotonic() - max(said, began) >= EVERY:
            line(step, figures)

    def tell(step: int, figures: dict[str, Any]) -> None:
        if step >= total or time.monotonic() - said >= EVERY:
            line(step, figures)
        else:
            waiting[:] = [(step, figures)]

    yield move, tell
    for step, figures in waiting[:]:  # training ended early
        line(step, figures)


def _live(name: str, total: int, done: int) -> Iterator[tuple[Show, Show]]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    # The figures have their own line: 80 columns do not hold them beside the bar.
    columns = TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn(), TimeRemainingColumn()
    progress, shown = Progress(*columns, expand=True), Text()
    task = progress.add_task(name, total=total, completed=done)
    console = Console(file=streams.quiet())

    def show(step: int, figures: dict[str, Any]) -> None:
        progress.update(task, completed=step)
        shown.plain = text(figures, console.width)

    with Live(Group(progress, shown), console=console, refresh_per_second=4):
        yield show, show


def _cell(name: str, total: int, done: int) -> Iterator[tuple[Show, Show]]:
    """A bar under the notebook's cell; plain HTML, which needs no widgets and stays readable in the saved file."""
    from html import escape

    from IPython.display import HTML, display

    last: tuple[int, dict[str, Any]] = (done, {})
    said = time.monotonic()

    def markup() -> Any:
        step, figures = last
        bar = f"<progress value='{step}' max='{total}' style='width: 20em; vertical-align: middle'></progress>"
        return HTML(f"{escape(name)} {bar} {100 * step / total:.0f} %<br>{escape(text(figures))}")

    shown = display(markup(), display_id=True)

    def show(step: int, figures: dict[str, Any]) -> None:
        nonlocal last, said
        last = (step, figures)
        if shown is not None and time.monotonic() - said >= REFRESH:
            said = time.monotonic()
            shown.update(markup())

    try:
        yield show, show
    finally:
        if shown is not None:
            shown.update(markup())


def text(figures: dict[str, Any], width: int | None = None) -> str:
    """Figures on one line: the names as words, floats to four digits; figures that were not measured are left out.

    With a width, the least important figures are left out until the rest fits.
    """
    parts = {
        key.removeprefix("train_").replace("samples_per_second", "samples/s").replace("_", " "): (
            f"{value:.4g}" if isinstance(value, float) else str(value)
        )
        for key, value in figures.items()
        if value != ""
    }
    leaving = [key for key in _LAST if key in parts]
    leaving += sorted(
        (key for key in reversed(parts) if key not in leaving), key=lambda key: key.startswith("validation")
    )
    while width is not None and len(parts) > 1 and len(_joined(parts)) > width:
        del parts[leaving.pop(0)]
    return _joined(parts)


def _joined(parts: dict[str, str]) -> str:
    return "  ".join(f"{key} {value}" for key, value in parts.items())
