"""SIGINT and SIGTERM while a run trains: noted, so that a checkpoint can be written first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def noted() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying of them; a second one is acted on at once."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        if received:
            leave(number)
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(number: int) -> None:
    """Raise what the signal means: `KeyboardInterrupt` for SIGINT, else `SystemExit` with 128 + its number."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
