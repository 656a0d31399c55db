"""Kernels that give the same bits every time, if the recipe asks for them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from zoo import caller


def deterministic(wanted: bool) -> AbstractContextManager[None]:
    """While the body runs, let torch refuse kernels whose sums depend on the order of threads; on CPUs this is not
    needed."""
    return caller.deterministic() if wanted else nullcontext()
