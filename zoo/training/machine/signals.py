"""Signals that end a process, while a run trains: noted, so that a checkpoint can be written first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ALWAYS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what systems and clusters send to end a process."""

BY_DEFAULT = tuple(getattr(signal, name) for name in ("SIGUSR1", "SIGHUP") if hasattr(signal, name))
"""The signals that clusters send some time before the end, and that a closing terminal sends; noted only if no other
handler is set."""


@contextmanager
def noted() -> Iterator[list[int]]:
    """Collect these signals instead of dying of them; the same signal a second time, or Ctrl-C, acts at once.

    A signal that is ignored (as SIGHUP under `nohup`) stays ignored.
    """
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        if received and number in (signal.SIGINT, received[0]):
            leave(number)
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    handlers = {number: signal.getsignal(number) for number in (*ALWAYS, *BY_DEFAULT)}
    before = {
        number: handler
        for number, handler in handlers.items()
        # None is a handler that is not Python's, and could not be put back.
        if handler not in (signal.SIG_IGN, None) and (number in ALWAYS or handler == signal.SIG_DFL)
    }
    for number in before:
        signal.signal(number, note)
    child = getattr(signal, "SIGCHLD", None)
    if child is not None and (handler := signal.getsignal(child)) is not None:
        before[child] = handler  # torch's loader sets it, once for the process, to notice workers that die
    try:
        yield received
    finally:
        if child is not None and child in before and signal.getsignal(child) != before[child]:
            from torch.utils.data._utils import signal_handling

            signal_handling._SIGCHLD_handler_set = False  # so that the caller's own loader sets it again
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(number: int) -> None:
    """Raise what the signal means: `KeyboardInterrupt` for SIGINT, else `SystemExit` with 128 + its number."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
