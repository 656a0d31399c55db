"""Curves of a run for a tracker to show, beside log.csv."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.training.machine import processes

TRACKERS = ("tensorboard",)


@contextmanager
def tracker(name: str | None, folder: Path, done: int) -> Iterator[Callable[[int, dict[str, Any]], None]]:
    """A function of (steps done, figures) that gives the numbers to the tracker; without a name it does nothing.

    TensorBoard's events lie in the run's folder, `tensorboard/`; events that an interrupted run wrote after its last
    checkpoint, step `done`, are hidden. Raises `ZooError` for an unknown tracker and for one that is not installed.
    """
    if name is None or not processes.is_main():
        yield lambda step, figures: None
        return
    check(name)
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder / name, purge_step=done + 1 if done else None) as writer:

        def track(step: int, figures: dict[str, Any]) -> None:
            for key, value in figures.items():
                if isinstance(value, int | float):
                    writer.add_scalar(key, value, step)

        yield track


def check(name: str | None) -> None:
    """Raise `ZooError` if there is no such tracker, or if it is not installed."""
    if name is None:
        return
    if name not in TRACKERS:
        raise ZooError(f"unknown tracker {name!r}; choose one of: {', '.join(TRACKERS)}.")
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise ZooError("tracking needs tensorboard; install it with: pip install 'reprozoo[track]'.") from error
