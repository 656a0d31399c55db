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

    A part of a batch uses its rows of the whole batch's mask (`zoo.training.machine.draws`), unless the model makes
    other draws in between. A rate that rounds to 0 or 1 in eight bits keeps torch's own masks, and so does dropout
    that a model calls as a function. The state dict does not change.
    """
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.forward = MethodType(_forward, module)  # a copy of the model gets its own


def fast_mask(kept: int, sizes: Sequence[int], dtype: torch.dtype, generator: Generator | None) -> Tensor:
    """A mask of dropout on the CPU: 256 / kept with probability kept / 256, else 0; 0 < kept < 256.

    Its shape is `sizes`; if `generator` is None, torch's own is used.
    It uses eight random bits for each number: the rate is off by at most a 512th, the mean by the rounding of 256 /
    kept to `dtype`. torch draws 64 bits for one number after another and turns them into a double;
    `benchmarks/switches.py benchmarks/mnist_mlp.fast.yaml` measures what that costs a fully connected network.
    """
    count = math.prod(sizes)
    bits = torch.empty(-(-count // 8), dtype=torch.int64, device="cpu").random_(-(2**63), None, generator=generator)
    mask = torch.empty(tuple(sizes), dtype=dtype, device="cpu")
    # Written directly as numbers, because the way over bool takes longer.
    torch.lt(bits.view(torch.int8)[:count].view(mask.shape), kept - 128, out=mask)
    return mask.mul_(256 / kept)


def _forward(self: nn.Dropout, x: Tensor) -> Tensor:
    kept = round(256 * (1 - self.p))
    if not (self.training and 0 < kept < 256 and x.device.type == "cpu"):
        return nn.Dropout.forward(self, x)
    mask = draws.own(x.shape, lambda sizes, generator: fast_mask(kept, sizes, x.dtype, generator))
    return x.mul_(mask) if self.inplace else x * mask
