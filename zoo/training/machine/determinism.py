"""Kernels that give the same bits every time, where the recipe asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """While the body runs, let torch refuse kernels whose sums depend on the order of threads.

    CPUs need none of it. cuBLAS reads its workspace setting when it starts, so it must be made before the first product
    on a GPU (https://docs.nvidia.com/cuda/cublas, "Results reproducibility").
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
