"""What a model draws for itself, drawn for a part of a batch as for the whole of it.

Dropout's mask belongs to the whole batch. Where several processes compute its rows, or one does piece by piece, each
part draws all of the mask from the same state of a generator and takes its own rows; a mask without rows, such as one
over a vocabulary, is the same for all. Draws of other kinds, and those on a GPU, where a kernel draws what it needs by
itself, are each part's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_common = torch.Generator()


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
def of_the_whole(rows: int, start: int, end: int, device: torch.device, fast: bool = False) -> Iterator[None]:
    """Within it dropout, `torch.rand` and `torch.rand_like` give rows from `start` to `end` of a batch of `rows`.

    With `fast` dropout's masks are `fast_mask`'s.
    """
    if (end - start == rows and not fast) or device.type != "cpu":
        yield
        return
    with _Whole(rows, start, end, fast):
        yield


def fast_mask(keep: float, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A mask of dropout: 256 / k with probability k / 256, else 0, for k = 256 x keep, rounded.

    Eight random bits a number: the rate is off by a 512th at the most, the mean by what `dtype` rounds 256 / k. torch
    draws 64, one number after another, and turns them into a double; what that is worth to a fully connected network
    `benchmarks/switches.py benchmarks/mnist_mlp.fast.yaml` measures.
    Shape and dtype as given, on the CPU. `keep` must leave something to drop and to keep: 0 < k < 256.
    """
    count, kept = math.prod(shape), round(256 * keep)
    bits = torch.empty(-(-count // 8), dtype=torch.int64, device="cpu").random_(-(2**63), None, generator=_common)
    mask = torch.empty(shape, dtype=dtype, device="cpu")
    # Compared into the numbers themselves, without the way over bool, which takes longer.
    torch.lt(bits.view(torch.int8)[:count].view(shape), kept - 128, out=mask)
    return mask.mul_(256 / kept)


class _Whole(TorchFunctionMode):
    """Rows `start` to `end` of what a model draws for a batch of `rows`, drawn as for all of it."""

    def __init__(self, rows: int, start: int, end: int, fast: bool) -> None:
        super().__init__()
        self.rows, self.start, self.end, self.fast = rows, start, end, fast

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.dropout:
            return self._dropout(func, *args, **kwargs)
        if func is torch.rand_like and not kwargs and args[0].device.type == "cpu":
            return self._own(args[0].shape, lambda whole: args[0].new_empty(whole).uniform_(generator=_common))
        if func is torch.rand and args and kwargs.keys() <= {"device", "dtype"} and _is_cpu(kwargs.get("device")):
            sizes = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
            return self._own(sizes, lambda whole: torch.rand(whole, generator=_common, **kwargs))
        return func(*args, **kwargs)

    def _dropout(
        self, func: Callable[..., Tensor], input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """As torch's own on the CPU, `_dropout_impl` in ATen/native/Dropout.cpp, does it, but for a fast mask."""
        if not training or not 0 < p < 1 or input.device.type != "cpu":
            return func(input, p, training, inplace)
        if self.fast and 0 < round(256 * (1 - p)) < 256:
            noise = self._own(input.shape, lambda whole: fast_mask(1 - p, whole, input.dtype))
        else:
            noise = self._own(input.shape, lambda whole: input.new_empty(whole).bernoulli_(1 - p, generator=_common))
            noise = noise.div_(1 - p)
        return input.mul_(noise) if inplace else input * noise

    def _own(self, sizes: Any, draw: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
        own = max(1, self.end - self.start)  # a process without a row computes one that is left out again
        if not sizes or sizes[0] != own:
            return draw(tuple(sizes))
        drawn = draw((self.rows, *sizes[1:]))
        return drawn[self.start : self.end] if self.end > self.start else drawn[:1]


def _is_cpu(device: torch.device | str | None) -> bool:
    return (torch.get_default_device() if device is None else torch.device(device)).type == "cpu"
