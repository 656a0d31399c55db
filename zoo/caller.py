"""The process belongs to its caller: what a call of ours needs otherwise is noted, set for its time, and given back.

Two kinds of settings bear on what torch computes. Those of a thread (grad mode, inference mode, autocast, the default
device) are entered and left again. Those of the process stand in `TABLE`: the first of the calls that are under way
notes and sets them, the last gives them back, so that calls in several threads do not undo each other's.

Random numbers are no part of this: a generator that is set back rewinds what another thread draws meanwhile. Nothing
here touches torch's, numpy's or Python's; a run draws from generators of its own (`zoo.draws`).
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch

from zoo.draws import default_device
from zoo.errors import needing

AUTOCAST = ("cpu", "cuda", "mps", "xpu")
"""Kinds of devices that autocast may be on for."""


@dataclass(frozen=True)
class Global:
    """A setting of the process: how to read and write it, and the values that a run can do with, first the usual."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    ours: tuple[Any, ...]


def _attribute(path: str, *ours: Any) -> Global:
    """A setting that is an attribute of one of torch's modules."""
    owner, _, name = path.rpartition(".")
    return Global(path, lambda: attrgetter(path)(torch), lambda v: setattr(attrgetter(owner)(torch), name, v), ours)


def _variable(name: str, *ours: str) -> Global:
    """A variable of the environment; None is one that is not set."""

    def write(value: str | None) -> None:
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

    return Global(name, lambda: os.environ.get(name), write, ours)


def _deterministic(*ours: tuple[bool, bool]) -> Global:
    return Global(
        "deterministic algorithms",
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
        ours,
    )


TABLE = (
    Global("default dtype", torch.get_default_dtype, torch.set_default_dtype, (torch.float32,)),
    Global(
        "precision of float32 products",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        ("highest",),
    ),
    # What torch 2.9 and later have beside it, a setting for each library and operation.
    *(
        _attribute(f"backends.{operation}.fp32_precision", "ieee", "none")
        for operation in ("mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn", "cuda.matmul")
    ),
    _attribute("backends.mkldnn.enabled", True),
    _attribute("backends.mkldnn.deterministic", False),
    _attribute("backends.cudnn.enabled", True),
    _attribute("backends.cudnn.benchmark", False),
    _attribute("backends.cudnn.deterministic", False),
    _attribute("backends.cudnn.allow_tf32", True),
    _attribute("backends.cuda.matmul.allow_fp16_reduced_precision_reduction", True),
    _attribute("backends.cuda.matmul.allow_bf16_reduced_precision_reduction", True),
    _deterministic((False, False)),
)
"""Every setting of the process that changes what a kernel computes, or which kernel is taken."""

DETERMINISTIC = (
    _deterministic((True, False)),
    _attribute("backends.cudnn.benchmark", False),
    # cuBLAS reads its workspace when it starts, so it must be made before the first product on a GPU
    # (https://docs.nvidia.com/cuda/cublas, "Results reproducibility").
    _variable("CUBLAS_WORKSPACE_CONFIG", ":4096:8", ":16:8"),
)
"""What a run with `train.deterministic` needs: torch refuses kernels whose sums depend on the order of threads."""


class _Held:
    """Settings as we need them, for as long as any call is inside."""

    def __init__(self, table: Sequence[Global]) -> None:
        self.table: Sequence[Global] = table
        self._lock = threading.Lock()
        self.inside: int = 0
        self.before: list[tuple[Global, Any]] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self.inside += 1
            if self.inside == 1:
                self._set()
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1
                if not self.inside:
                    while self.before:
                        each, value = self.before.pop()
                        each.write(value)

    def _set(self) -> None:
        for each in self.table:
            # Other versions of torch lack some, and refuse to say the old one where a new one of them was used.
            with suppress(AttributeError, RuntimeError):
                value = each.read()
                if value not in each.ours:
                    each.write(each.ours[0])
                    self.before.append((each, value))


_held = _Held(TABLE)
deterministic: _Held = _Held(DETERMINISTIC)


def _threads() -> int:
    """The number of threads that torch takes in this process by itself, whatever it is set to now.

    It is OpenMP's own number (`OMP_NUM_THREADS` when the process began, else its processors), which a new thread still
    has; MKL, if torch is built with it, counts cores instead, or obeys `MKL_NUM_THREADS`
    (`init_num_threads` in ATen/ParallelOpenMP.cpp).
    """
    found: list[int] = []
    with suppress(OSError, AttributeError, TypeError):  # Windows, or a torch without OpenMP
        ask = ctypes.CDLL(None).omp_get_max_threads
        asking = threading.Thread(target=lambda: found.append(ask()))
        asking.start()
        asking.join()
    if not found:
        return torch.get_num_threads()
    said = os.environ.get("MKL_NUM_THREADS", "")
    if torch.backends.mkl.is_available():
        if said.isdecimal() and int(said):
            return int(said)
        if not os.environ.get("OMP_NUM_THREADS"):
            return min(found[0], _cores() or found[0])
    return found[0]


def _cores() -> int:
    """The processor's cores, without the second thread that each may have; 0 if nobody knows."""
    with suppress(OSError, ValueError):
        places = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
        return len({place.read_text(encoding="ascii") for place in places})
    return 0


THREADS = _threads()


def _let_threads_go() -> None:
    """End OpenMP's threads, which wait for work; the next product starts them again, and no setting changes.

    A fork inherits that there are such threads and not the threads: its first product would wait for them for ever.
    """
    with suppress(OSError, AttributeError, TypeError):  # Windows, or a torch without OpenMP
        ctypes.CDLL(None).omp_pause_resource_all(1)  # "soft": what can be kept is kept


if hasattr(os, "register_at_fork"):  # a predictor that was used here answers in a `multiprocessing.Pool` too
    os.register_at_fork(before=_let_threads_go)


@contextmanager
def own(*, gradients: bool = True, threads: bool = False) -> Iterator[None]:
    """While the body runs, torch is as it comes: float32, no autocast, the CPU for tensors whose place nobody says.

    Gradients can be computed unless `gradients` is False; tensors made inside can be trained, also where the caller is
    in `torch.inference_mode`. With `threads` torch takes as many as it does by itself: how sums are parted among
    threads moves the last digits of a training. Elsewhere the number is the caller's. What was set before is set again
    at the end, also after an exception.
    """
    with ExitStack() as stack:
        stack.enter_context(needing())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.cuda.is_initialized():  # a run on another GPU makes that the current one
            stack.callback(torch.cuda.set_device, torch.cuda.current_device())
        stack.callback(_put_back_threads, torch.get_num_threads())
        if threads and torch.get_num_threads() != THREADS:
            torch.set_num_threads(THREADS)
        stack.enter_context(_held())
        yield


def _put_back_threads(before: int) -> None:
    if torch.get_num_threads() != before:  # as accelerate does where several processes share a machine
        torch.set_num_threads(before)


@contextmanager
def silent(message: str = "", category: type[Warning] = Warning) -> Iterator[None]:
    """Leave out warnings of `category` that begin with `message` (a regular expression), in every thread.

    `warnings.catch_warnings` puts all filters back at its end, and in several threads what one put there for another's
    body stays for good.
    """
    filters: Any = warnings.filters
    ours = ("ignore", re.compile(message), category, None, 0)
    filters.insert(0, ours)
    try:
        yield
    finally:
        for place, each in enumerate(filters):
            if each is ours:
                del filters[place]
                break
