"""Memory that runs out, told in one sentence, and memory that is kept for the next step."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoo.errors import ZooError

_SAID = ("out of memory", "can't allocate memory", "bad_alloc")
"""What GPUs say, torch's own allocator on the CPU, and the C++ libraries under it; all three are a `RuntimeError`."""


@contextmanager
def enough(sentence: Callable[[], str]) -> Iterator[None]:
    """Raise `ZooError` with the sentence where what stands inside finds no memory; other errors go through."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(words in str(error) for words in _SAID):
            raise ZooError(sentence()) from error
        raise


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Parameters of glibc's `mallopt`, from its <malloc.h>."""

_MIB = 2**20
_lock, _inside = threading.Lock(), 0


@contextmanager
def kept() -> Iterator[None]:
    """Within it glibc keeps the blocks that are freed for those that are asked for next.

    By itself it hands large ones back to the system at once, and each page of a new one then costs a fault: a third of
    the time of a step, or of measuring, where tensors are large. What is computed stays the same to the bit; at its
    peak a process may hold half as much again. PyTorch's tuning guide loads another allocator to that end; two
    parameters of the one at hand do it (mallopt(3)). Other C libraries are left as they are.

    What is free at the end goes back to the system, and large blocks do so again, from the size on at which glibc ends
    when it adapts its own.
    """
    global _inside
    libc = _glibc()
    if libc is None:
        yield
        return
    with _lock:
        _inside += 1
        if _inside == 1:
            libc.mallopt(_MMAP_MAX, 0)
            libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                libc.mallopt(_MMAP_MAX, 65536)
                libc.mallopt(_MMAP_THRESHOLD, 32 * _MIB)
                libc.mallopt(_TRIM_THRESHOLD, 64 * _MIB)
                libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
