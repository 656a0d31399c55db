"""Batch norm over the whole batch, even if several processes share its rows, and never over a piece of it.

A layer that normalises by a part of the batch is a different layer: its statistics are noisier, and so is the model.
So several processes add up their sums (Ioffe & Szegedy 2015, algorithm 1, over all rows), on CPUs over gloo, on GPUs
over NCCL. Pieces that one process computes one after another (`train.accumulate`) cannot do this, since a layer would
need the rows of later pieces; they are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zoo.errors import ZooError


def check_pieces(model: nn.Module, pieces: int) -> None:
    """Raise `ZooError` if the model has batch norm and a batch is computed in several pieces."""
    if pieces == 1:
        return
    if has_batch_norm(model):
        raise ZooError(
            f"train.accumulate is {pieces}, but the model has batch norm, which would see only a piece of the batch "
            "and so give another model; set it to 1, and lower data.batch_size if memory is short."
        )


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a layer of the model normalises over the batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


class WholeBatchNorm(TorchFunctionMode):
    """Inside this context, batch norm in training takes mean and variance over the rows of all processes.

    `rows` is how many of this process's rows count: if a batch has fewer rows than processes, some processes compute
    one row that does not count.
    """

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm:
            return self._norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Like `F.batch_norm`; input (N, C, …), the rest (C)."""
        if not training:
            return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
        from torch.distributed.nn.functional import all_reduce

        x = input.float()
        over, wide = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
        counted = torch.tensor(float(self.rows * x[0, 0].numel()), device=x.device)
        dist.all_reduce(counted)
        count = float(counted)
        if count <= 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
        mean = all_reduce(x[: self.rows].sum(over)) / count
        centred = x - mean.view(wide)
        var = all_reduce(centred[: self.rows].square().sum(over)) / count
        scale = (var + eps).rsqrt() if weight is None else (var + eps).rsqrt() * weight
        normed = centred * scale.view(wide)
        normed = normed if bias is None else normed + bias.view(wide)
        with torch.no_grad():
            if running_mean is not None:
                running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            if running_var is not None:
                running_var.lerp_((var * (count / (count - 1))).to(running_var.dtype), momentum)
        return normed.to(input.dtype)
