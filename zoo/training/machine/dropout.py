"""Dropout from few random bits: the recipe's switch `train.fast_dropout`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MethodType

import torch
from torch import Generator, Tensor, nn

from zoo.training.machine import draws


def use_fast_dropout(model: nn.Module) -> None:
    """Let `model`'s `nn.Dropout` multiply by masks of `fast_mask` while it trains on the CPU.

    A part of a batch is dropped as in the whole (`zoo.training.machine.draws`), unless the model draws in between what
    is each part's own. A rate that eight bits cannot tell from none or from all stays with torch's own masks, and so
    does dropout that a model calls as a function. The state dict does not change.
    """
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.forward = MethodType(_forward, module)  # a copy of the model gets one of its own


def fast_mask(kept: int, sizes: Sequence[int], dtype: torch.dtype, generator: Generator | None) -> Tensor:
    """A mask of dropout on the CPU: 256 / kept with probability kept / 256, else 0; 0 < kept < 256.

    Its shape is `sizes`; `generator` is torch's own where it is None.
    Eight random bits a number: the rate is off by a 512th at the most, the mean by what `dtype` rounds 256 / kept.
    torch draws 64, one number after another, and turns them into a double; what that is worth to a fully connected
    network `benchmarks/switches.py benchmarks/mnist_mlp.fast.yaml` measures.
    """
    count = math.prod(sizes)
    bits = torch.empty(-(-count // 8), dtype=torch.int64, device="cpu").random_(-(2**63), None, generator=generator)
    mask = torch.empty(tuple(sizes), dtype=dtype, device="cpu")
    # Compared into the numbers themselves, without the way over bool, which takes longer.
    torch.lt(bits.view(torch.int8)[:count].view(mask.shape), kept - 128, out=mask)
    return mask.mul_(256 / kept)


def _forward(self: nn.Dropout, x: Tensor) -> Tensor:
    kept = round(256 * (1 - self.p))
    if not (self.training and 0 < kept < 256 and x.device.type == "cpu"):
        return nn.Dropout.forward(self, x)
    mask = draws.own(x.shape, lambda sizes, generator: fast_mask(kept, sizes, x.dtype, generator))
    return x.mul_(mask) if self.inplace else x * mask
