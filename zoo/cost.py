"""The cost of running a model: time, work and memory, measured on one thread of a CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

BATCH = 64
"""Inputs in the batch of the throughput: enough to fill the vector units of a core."""
WARM, LONGEST, FEWEST, MOST = 0.1, 0.5, 3, 200
"""Seconds of warm-up calls, seconds of measured calls, and the least and the largest number of measured calls."""


def measure_cost(model: nn.Module, inputs: Sequence[Tensor]) -> dict[str, Any]:
    """The cost of one forward of `model`, on the CPU and in eval mode, for `inputs`, a batch of one.

    `latency_ms` is the median of many calls for one input, after some warm-up calls; `throughput` is the inputs per
    second for a batch of 64 equal ones. Both are measured on one thread, in its own processor time, so that other
    work on the machine does not count. `multiply_adds` counts those of matrix products and convolutions
    (recurrent layers included) for one input. `memory_mb` is the most that parameters, buffers and the tensors alive at
    once take for one input, in megabytes (1e6 bytes); memory inside torch's kernels is not included. Afterwards the
    number of threads is the caller's again.
    """
    batch = [tensor.repeat(BATCH, *[1] * (tensor.ndim - 1)) for tensor in inputs]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with torch.inference_mode():
            alone, together = _median(model, inputs), _median(model, batch)
            work, memory = _multiply_adds(model, inputs), _peak(model, inputs)
    finally:
        torch.set_num_threads(threads)
    return {
        "shapes": [list(tensor.shape) for tensor in inputs],
        "latency_ms": float(f"{1000 * alone:.3g}"),
        "throughput": float(f"{BATCH / together:.3g}"),
        "batch": BATCH,
        "multiply_adds": work,
        "memory_mb": float(f"{memory / 1e6:.3g}"),
    }


def _median(model: nn.Module, inputs: Sequence[Tensor]) -> float:
    begun = time.perf_counter()
    while time.perf_counter() - begun < WARM:
        model(*inputs)
    times, begun = [], time.perf_counter()
    while len(times) < FEWEST or (time.perf_counter() - begun < LONGEST and len(times) < MOST):
        started = time.thread_time()
        model(*inputs)
        times.append(time.thread_time() - started)
    return statistics.median(times)


def _multiply_adds(model: nn.Module, inputs: Sequence[Tensor]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    rnn = torch.ops.aten.mkldnn_rnn_layer
    with FlopCounterMode(display=False, custom_mapping={rnn: _recurrent}) as counter:
        model(*inputs)
    return counter.get_total_flops() // 2


def _recurrent(inputs: Any, ih: Any, hh: Any, *rest: Any, out_val: Any = None, **more: Any) -> int:
    """Multiply-adds of one direction of one layer: every step multiplies the input and the state by their matrices."""
    steps, samples = inputs[:2]
    return 2 * steps * samples * (ih[0] * ih[1] + hh[0] * hh[1])


def _peak(model: nn.Module, inputs: Sequence[Tensor]) -> int:
    held = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in model.state_dict().values()}
    fixed = sum(storage.nbytes() for storage in held.values())
    with _Alive(set(held)) as alive:
        model(*inputs)
    return fixed + alive.most


class _Alive(TorchDispatchMode):
    """Adds up the bytes of all living tensors that operations have made; `most` is their peak."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()
        self.known, self.most, self.storages = known, 0, {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from torch.multiprocessing.reductions import StorageWeakRef

        made = func(*args, **(kwargs or {}))
        for value in tree_flatten(made)[0]:
            if isinstance(value, Tensor) and value.untyped_storage().data_ptr() not in self.known:
                storage = value.untyped_storage()
                self.storages[storage.data_ptr()] = (StorageWeakRef(storage), storage.nbytes())
        self.storages = {place: kept for place, kept in self.storages.items() if not kept[0].expired()}
        self.most = max(self.most, sum(size for _, size in self.storages.values()))
        return made
