"""Shows on a terminal, after two seconds, how many inputs are answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from zoo import streams

PATIENCE = 2.0
"""Seconds before the progress is shown."""


@contextmanager
def counted() -> Iterator[Callable[[int], None]]:
    """A function to call with the number of inputs answered so far; silent if standard error is not a terminal."""
    if not streams.is_terminal():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    began = time.monotonic()
    progress = Progress(
        SpinnerColumn(), TextColumn("{task.completed:,.0f} answered, {task.fields[rate]:,.0f} a second"),
        TimeElapsedColumn(), console=Console(file=streams.quiet()),
    )  # fmt: skip
    task = progress.add_task("", total=None, rate=0.0)
    with ExitStack() as shown:

        def tell(count: int) -> None:
            passed = time.monotonic() - began
            if passed < PATIENCE:
                return
            if not progress.live.is_started:
                shown.enter_context(progress)
            progress.update(task, completed=count, rate=count / passed)

        yield tell
