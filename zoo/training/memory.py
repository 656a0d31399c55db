"""Memory that runs out, told in one sentence."""

from __future__ import annotations

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
