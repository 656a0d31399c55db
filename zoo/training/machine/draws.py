"""What a model draws for itself, drawn for a part of a batch as for the whole of it.

Dropout's mask belongs to the whole batch. Where several processes compute its rows, or one does piece by piece, each
part draws all of the mask from the same state of a generator and takes its own rows; a mask without rows, such as one
over a vocabulary, is the same for all. Draws of other kinds, and those on a GPU, where a kernel draws what it needs by
itself, are each part's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.overrides import TorchFunctionMode

Draw = Callable[[Sequence[int], Generator | None], Tensor]
"""From sizes and a generator, None for torch's own, to what is drawn."""

_common = Generator()
_part: _Whole | None = None


def seed(value: int) -> None:
    """Begin the draws of a step anew; every process with the same value."""
    _common.manual_seed(value)


def state() -> Tensor:
    """Where the draws are, for another part of the batch to draw the same (`again`)."""
    return _common.get_state()


def again(state: Tensor) -> None:
    """Go back to where the draws were."""
    _common.set_state(state)


@contextmanager
def of_the_whole(rows: int, start: int, end: int, device: torch.device) -> Iterator[None]:
    """Within it dropout, `torch.rand` and `torch.rand_like` give rows from `start` to `end` of a batch of `rows`."""
    global _part
    if end - start == rows or device.type != "cpu":
        yield
        return
    try:
        with _Whole(rows, start, end) as _part:
            yield
    finally:
        _part = None


def own(sizes: Sequence[int], draw: Draw) -> Tensor:
    """What `draw` gives: all of these sizes, or within `of_the_whole` the part's rows."""
    return _part.own(sizes, draw) if _part else draw(sizes, None)


class _Whole(TorchFunctionMode):
    """Rows `start` to `end` of what a model draws for a batch of `rows`, drawn as torch draws for all of it."""

    def __init__(self, rows: int, start: int, end: int) -> None:
        super().__init__()
        self.rows, self.start, self.end = rows, start, end

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.dropout:
            return self._dropout(func, *args, **kwargs)
        if func is torch.rand_like and not kwargs and args[0].device.type == "cpu":
            return self.own(args[0].shape, lambda whole, common: args[0].new_empty(whole).uniform_(generator=common))
        if func is torch.rand and args and kwargs.keys() <= {"device", "dtype"} and _is_cpu(kwargs.get("device")):
            sizes = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
            return self.own(sizes, lambda whole, common: torch.rand(whole, generator=common, **kwargs))
        return func(*args, **kwargs)

    def _dropout(
        self, func: Callable[..., Tensor], input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """As torch's own on the CPU, `_dropout_impl` in ATen/native/Dropout.cpp, does it."""
        if not training or not 0 < p < 1 or input.device.type != "cpu":
            return func(input, p, training, inplace)
        noise = self.own(
            input.shape, lambda whole, common: input.new_empty(whole).bernoulli_(1 - p, generator=common).div_(1 - p)
        )
        return input.mul_(noise) if inplace else input * noise

    def own(self, sizes: Sequence[int], draw: Draw) -> Tensor:
        own = max(1, self.end - self.start)  # a process without a row computes one that is left out again
        if not sizes or sizes[0] != own:
            return draw(sizes, _common)
        drawn = draw((self.rows, *sizes[1:]), _common)
        return drawn[self.start : self.end] if self.end > self.start else drawn[:1]


def _is_cpu(device: torch.device | str | None) -> bool:
    return (torch.get_default_device() if device is None else torch.device(device)).type == "cpu"
