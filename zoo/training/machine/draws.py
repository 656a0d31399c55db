"""A model's own random draws in a step: from the run's generators, and the same for a part of a batch as for the whole.

Nothing is drawn from torch's default generator, so that a run neither changes it nor depends on it, nor on another
run in another thread. Dropout's mask belongs to the whole batch. If several processes compute the rows, or one
process does so piece by piece, each part draws the whole mask from the same state of a generator and takes its own
rows; a mask without rows, such as one over a vocabulary, is the same for all. For other kinds of draws, and on a GPU,
where kernels draw by themselves, each part has its own draws.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor

from zoo.draws import Drawn, borrowed, is_cpu

_CPU = torch.device("cpu")

Draw = Callable[[Sequence[int], Generator | None], Tensor]
"""(sizes, generator) -> the drawn tensor; None is torch's own generator."""


class _Run(threading.local):
    """The generators of the run that this thread is in."""

    def __init__(self) -> None:
        self.common, self.own = Generator(), Generator()  # of the whole batch, and of this process
        self.of_device: Tensor | None = None  # the state of a GPU's generator
        self.part: _Whole | None = None


_run = _Run()


def seed(common: int, own: int | None = None, device: torch.device = _CPU) -> None:
    """Begin the draws of a step again: `common` is the same for every process, `own` is this one's."""
    own = common if own is None else own
    _run.common.manual_seed(common)
    _run.own.manual_seed(own)
    _run.of_device = None if device.type == "cpu" else Generator(device).manual_seed(own).get_state()


def state() -> Tensor:
    """The state of the draws, so that another part of the batch can draw the same (`again`)."""
    return _run.common.get_state()


def again(state: Tensor) -> None:
    """Go back to an earlier state of the draws."""
    _run.common.set_state(state)


@contextmanager
def of_the_whole(rows: int, start: int, end: int, device: torch.device, *, compiled: bool = False) -> Iterator[None]:
    """Inside this context a model draws for rows `start` to `end` of a batch of `rows`.

    A `compiled` model and one on a GPU draw in kernels that take no generator: they borrow the default one.
    """
    whole = end - start == rows
    if device.type != "cpu" or (compiled and whole):
        with borrowed(_run.common if whole else _run.own), _borrowed_of(device):
            yield
        return
    before = _run.part
    try:
        with _Whole(rows, start, end) as _run.part:
            yield
    finally:
        _run.part = before


@contextmanager
def _borrowed_of(device: torch.device) -> Iterator[None]:
    """Inside this context a GPU's generator draws the numbers of this step; the lock is that of `borrowed`."""
    if device.type == "cpu":
        yield
        return
    module = torch.get_device_module(device)
    which = () if device.type == "mps" else (device,)
    before = module.get_rng_state(*which)
    module.set_rng_state(_run.of_device, *which)
    try:
        yield
    finally:
        _run.of_device = module.get_rng_state(*which)
        module.set_rng_state(before, *which)


def own(sizes: Sequence[int], draw: Draw) -> Tensor:
    """The result of `draw` for these sizes; inside `of_the_whole` only the part's rows."""
    return _run.part.own(sizes, draw) if _run.part else draw(sizes, None)


class _Whole(Drawn):
    """Rows `start` to `end` of what a model draws for a batch of `rows`, drawn as torch draws for all of it."""

    def __init__(self, rows: int, start: int, end: int) -> None:
        self.rows, self.start, self.end = rows, start, end
        self.whole, self.common = end - start == rows, _run.common
        super().__init__(_run.common if self.whole else _run.own)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self.whole:
            if func is torch.rand_like and not kwargs and args[0].device.type == "cpu":
                return self.own(
                    args[0].shape, lambda whole, common: args[0].new_empty(whole).uniform_(generator=common)
                )
            if func is torch.rand and args and kwargs.keys() <= {"device", "dtype"} and is_cpu(kwargs.get("device")):
                sizes = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
                return self.own(sizes, lambda whole, common: torch.rand(whole, generator=common, **kwargs))
        return super().__torch_function__(func, types, args, kwargs)

    def noise(self, input: Tensor, kept: float) -> Tensor:
        if self.whole:
            return super().noise(input, kept)
        return self.own(
            input.shape, lambda whole, common: input.new_empty(whole).bernoulli_(kept, generator=common).div_(kept)
        )

    def own(self, sizes: Sequence[int], draw: Draw) -> Tensor:
        own = max(1, self.end - self.start)  # a process without rows computes one row, which is dropped later
        if self.whole or not sizes or sizes[0] != own:
            return draw(sizes, self.common)
        drawn = draw((self.rows, *sizes[1:]), self.common)
        return drawn[self.start : self.end] if self.end > self.start else drawn[:1]
