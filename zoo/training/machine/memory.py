"""Memory that runs out, told in one sentence, and memory that is kept for the next step."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoo import process
from zoo.errors import ZooError

_SAID = ("out of memory", "can't allocate memory", "bad_alloc")
"""What GPUs say, torch's own allocator on the CPU, and the C++ libraries under it; all three are a `RuntimeError`."""


@contextmanager
def enough(sentence: Callable[[], str]) -> Iterator[None]:
    """Raise `ZooError` with the sentence if what stands inside finds no memory; other errors go through."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(words in str(error) for words in _SAID):
            raise ZooError(sentence()) from error
        raise


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Parameters of glibc's `mallopt`, from its <malloc.h>."""

_VARIABLES = {f"MALLOC_{name}_" for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD", "MMAP_MAX", "TOP_PAD")}
"""What sets them from outside (mallopt(3), Environment variables)."""

_MIB = 2**20
GROWTH = 1.25, 256 * _MIB
"""How many times as much, and how many bytes beside that, a process may hold before what is free is given back."""

_inside = 0
"""How often `kept` was entered and not left; by the main thread alone, so that no lock is needed."""


@contextmanager
def kept() -> Iterator[Callable[[], None]]:
    """Within it glibc keeps the blocks that are freed for those that are asked for next.

    It gives a function to call now and then, such as every sixteen steps: batches of many shapes leave the heap in
    pieces that fit nothing, and a tagger's grew to 4.5 GB. The function gives back what is free if the process has
    grown by more than `GROWTH` since the last time; where every batch has the same shape that never happens.

    By itself it hands large ones back to the system at once, and each page of a new one then costs a fault: 0.3 of the
    time of an LSTM's step (`benchmarks/train.py lstm_text`), and as in training so in measuring. What is computed stays
    the same to the bit; at its peak a process may hold more. PyTorch's tuning guide loads another allocator to
    that end; two parameters of the one at hand do it (mallopt(3)). Left as they are: other C libraries; processors but
    x86-64, for which torch brings an allocator of its own; threads but the main one, whose heaps would grow by far
    more; processes whose memory is limited (`ulimit -v`); an allocator that the environment has parameters for; and a
    process that is not the zoo's own (`zoo.process`), such as a notebook, for nobody can ask what was set there before.

    What is free at the end goes back to the system, and new large blocks are its own again, from the size on at which
    glibc ends when it adapts itself. Where memory is too short for this, `MALLOC_TRIM_THRESHOLD_=131072` in the
    environment leaves it out, and glibc's adapting too.
    """
    global _inside
    libc = _glibc() if process.ours else None
    if libc is None:
        yield lambda: None
        return
    _inside += 1
    if _inside == 1:
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield _trimming(libc)
    finally:
        _inside -= 1
        if not _inside:
            libc.mallopt(_MMAP_MAX, 65536)
            libc.mallopt(_MMAP_THRESHOLD, 32 * _MIB)
            libc.mallopt(_TRIM_THRESHOLD, 64 * _MIB)
            libc.malloc_trim(0)


def _trimming(libc: ctypes.CDLL) -> Callable[[], None]:
    """A function that gives back what is free if the process holds more than `GROWTH` allows."""
    page, before = os.sysconf("SC_PAGE_SIZE"), 0

    def trim() -> None:
        nonlocal before
        with open("/proc/self/statm", "rb") as file:
            held = int(file.read().split()[1]) * page
        if not before:  # the first time, and after memory was given back and taken again
            before = held
        elif held > GROWTH[0] * before + GROWTH[1]:
            libc.malloc_trim(0)
            before = 0

    return trim


def _glibc() -> ctypes.CDLL | None:
    """The C library, where `kept` may set its parameters."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    import resource  # not on Windows

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return None
    if threading.current_thread() is not threading.main_thread():
        return None
    if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or not _VARIABLES.isdisjoint(os.environ):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
