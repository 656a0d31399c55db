"""Memory that runs out, reported in one sentence, and memory that is kept for the next step."""

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
"""The messages of GPUs, of torch's allocator on the CPU, and of the C++ libraries below it; each is a
`RuntimeError`."""


@contextmanager
def enough(sentence: Callable[[], str]) -> Iterator[None]:
    """Raise `ZooError` with the sentence if the body runs out of memory; other errors pass through."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(words in str(error) for words in _SAID):
            raise ZooError(sentence()) from error
        raise


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Parameters of glibc's `mallopt`, from its <malloc.h>."""

_VARIABLES = {f"MALLOC_{name}_" for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD", "MMAP_MAX", "TOP_PAD")}
"""The environment variables that set them from outside (mallopt(3))."""

_MIB = 2**20
GROWTH = 1.25, 256 * _MIB
"""A process may grow by this factor, plus this many bytes, before its free memory is given back."""

_inside = 0
"""How often `kept` was entered and not left yet; only the main thread counts, so no lock is needed."""


@contextmanager
def kept() -> Iterator[Callable[[], None]]:
    """Inside this context glibc keeps freed blocks for the next requests.

    It gives a function to call from time to time, such as every sixteen steps: batches of many shapes leave the heap
    in pieces that fit no new request (a tagger's heap grew to 4.5 GB). The function gives free memory back if the
    process has grown by more than `GROWTH` since the last time; this never happens if every batch has the same shape.

    By default glibc gives large blocks back to the system at once, and each page of a new block then costs a page
    fault: 0.3 of the time of an LSTM's step (`benchmarks/train.py lstm_text`), in training and in measuring. The
    results stay the same to the bit; at its peak a process may hold more memory. PyTorch's tuning guide loads another
    allocator to that end; two parameters of glibc's own do the same (mallopt(3)). Nothing is changed for other C
    libraries; for processors other than x86-64, for which torch has its own allocator; in threads other than the main
    one, whose heaps would grow by far more; if the process's memory is limited (`ulimit -v`); if environment variables
    set the allocator; and in a process that is not the zoo's own (`zoo.process`), such as a notebook, because the
    former settings cannot be read.

    At the end free memory goes back to the system, and so do large blocks from then on (above the largest size to
    which glibc adapts itself). If memory is too short for this, `MALLOC_TRIM_THRESHOLD_=131072` in the environment
    switches it off, and glibc's own adapting too.
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
    """A function that gives free memory back if the process holds more than `GROWTH` allows."""
    page, before = os.sysconf("SC_PAGE_SIZE"), 0

    def trim() -> None:
        nonlocal before
        with open("/proc/self/statm", "rb") as file:
            held = int(file.read().split()[1]) * page
        if not before:  # the first call, and the first after memory was given back
            before = held
        elif held > GROWTH[0] * before + GROWTH[1]:
            libc.malloc_trim(0)
            before = 0

    return trim


def _glibc() -> ctypes.CDLL | None:
    """The C library if `kept` may set its parameters, else None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    import resource  # does not exist on Windows

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return None
    if threading.current_thread() is not threading.main_thread():
        return None
    if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or not _VARIABLES.isdisjoint(os.environ):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
