"""The process belongs to its caller: settings that a call of ours needs are noted, changed for its time, and restored.

Two kinds of settings change what torch computes. Those of a thread (grad mode, inference mode, autocast, the default
device) are entered and left again. Those of the process are listed in `TABLE`: the first of the running calls notes
and sets them, the last one restores them, so that calls in several threads do not undo each other's settings.

Random generators are not part of this: setting one back would also rewind the draws of other threads. Nothing here
touches torch's, numpy's or Python's generators; a run draws from generators of its own (`zoo.draws`).
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
"""The kinds of devices for which autocast may be on."""


@dataclass(frozen=True)
class Global:
    """A setting of the process: how to read and write it, and the values with which a run works, the usual one
    first."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    ours: tuple[Any, ...]


def _attribute(path: str, *ours: Any) -> Global:
    """A setting that is an attribute of one of torch's modules."""
    owner, _, name = path.rpartition(".")
    return Global(path, lambda: attrgetter(path)(torch), lambda v: setattr(attrgetter(owner)(torch), name, v), ours)


def _variable(name: str, *ours: str) -> Global:
    """An environment variable; None if it is not set."""

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
    # torch 2.9 and later also have a setting for each library and operation.
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
"""Every setting of the process that changes a kernel's results, or the choice of a kernel."""

DETERMINISTIC = (
    _deterministic((True, False)),
    _attribute("backends.cudnn.benchmark", False),
    # cuBLAS reads its workspace when it starts, so it must be made before the first product on a GPU
    # (https://docs.nvidia.com/cuda/cublas, "Results reproducibility").
    _variable("CUBLAS_WORKSPACE_CONFIG", ":4096:8", ":16:8"),
)
"""The settings for `train.deterministic`: torch refuses kernels whose sums depend on the order of threads."""


class _Held:
    """Settings as we need them, as long as any call is inside."""

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
            # Some versions of torch lack some settings, and refuse to read the old one if a new one was used.
            with suppress(AttributeError, RuntimeError):
                value = each.read()
                if value not in each.ours:
                    each.write(each.ours[0])
                    self.before.append((each, value))


_held = _Held(TABLE)
deterministic: _Held = _Held(DETERMINISTIC)


def _threads() -> int:
    """The number of threads that torch uses by default in this process, whatever it is set to now.

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
    """The processor's cores, without counting second threads; 0 if unknown."""
    with suppress(OSError, ValueError):
        places = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
        return len({place.read_text(encoding="ascii") for place in places})
    return 0


THREADS = _threads()


def _let_threads_go() -> None:
    """End OpenMP's threads, which wait for work; the next product starts them again, and no setting changes.

    A forked process believes that these threads exist, but does not have them: its first product would wait for ever.
    """
    with suppress(OSError, AttributeError, TypeError):  # Windows, or a torch without OpenMP
        ctypes.CDLL(None).omp_pause_resource_all(1)  # "soft": resources that can be kept are kept


if hasattr(os, "register_at_fork"):  # so that a predictor that was used here also answers in a `multiprocessing.Pool`
    os.register_at_fork(before=_let_threads_go)


@contextmanager
def own(*, gradients: bool = True, threads: bool = False) -> Iterator[None]:
    """While the body runs, torch has its defaults: float32, no autocast, the CPU for tensors without a given device.

    Gradients can be computed unless `gradients` is False; tensors made inside can be trained, even if the caller is
    in `torch.inference_mode`. With `threads` torch uses its default number of threads, because the way sums are
    divided among threads changes the last digits of a training; without it the number is the caller's. All settings
    are restored at the end, even after an exception.
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
        if torch.cuda.is_initialized():  # a run on another GPU makes that GPU the current one
            stack.callback(torch.cuda.set_device, torch.cuda.current_device())
        stack.callback(_put_back_threads, torch.get_num_threads())
        if threads and torch.get_num_threads() != THREADS:
            torch.set_num_threads(THREADS)
        stack.enter_context(_held())
        yield


def _put_back_threads(before: int) -> None:
    if torch.get_num_threads() != before:  # accelerate changes it if several processes share a machine
        torch.set_num_threads(before)


@contextmanager
def silent(message: str = "", category: type[Warning] = Warning) -> Iterator[None]:
    """Leave out warnings of `category` that begin with `message` (a regular expression), in every thread.

    `warnings.catch_warnings` restores all filters at its end; with several threads, a filter that one thread restores
    may be another's, and then stays for good.
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
