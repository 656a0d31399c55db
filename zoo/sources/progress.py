"""Shows a transfer's progress on standard error after one second: a moving line on a terminal, elsewhere a single
line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoo import streams

_QUIET = 1.0  # seconds before the first line
_EVERY = 0.2  # seconds between two states of the line


@contextmanager
def progress(what: str, size: int, where: str = "") -> Iterator[Callable[[int], None]]:
    """A function to call with the number of bytes of each piece; `size` is their sum, 0 if unknown."""
    started = time.monotonic()
    state = {"done": 0, "shown": started + _QUIET - _EVERY, "wide": 0}

    def tell(count: int) -> None:
        state["done"] += count
        now = time.monotonic()
        if now - state["shown"] < _EVERY:
            return
        moving = streams.is_terminal()
        if not moving and state["wide"]:
            return
        state["shown"] = now
        line = _line(what, size, state["done"], now - started) if moving else f"{what}{_of(size)}{where}"
        streams.say(("\r" if moving else "") + line.ljust(state["wide"]), end="" if moving else "\n")
        state["wide"] = len(line)

    try:
        yield tell
    finally:
        if state["wide"] and streams.is_terminal():
            streams.say("\r" + " " * state["wide"] + "\r", end="")


def _of(size: int) -> str:
    return f" ({size / 1e6:,.1f} MB)" if size else ""


def _line(what: str, size: int, done: int, seconds: float) -> str:
    rate = done / seconds
    line = f"{what}  {done / 1e6:,.1f} {f'of {size / 1e6:,.1f} ' if size else ''}MB  {rate / 1e6:,.1f} MB/s"
    return f"{line}  {max(0, size - done) / rate:,.0f} s left" if size and rate else line
