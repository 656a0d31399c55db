"""Autograd functions with a backward pass of their own.

Both work on every device, under autocast, `torch.compile`, `torch.func.grad` and `torch.vmap`, and can be
differentiated twice.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo.errors import ZooError


class _Sigmoid(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return grads[0] * y * (1 - y)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), element by element, keeping its result alone for the backward pass.

    With y = 1 / (1 + e), e = exp(-x): dy/dx = e / (1 + e)² = y (1 - y), since 1 - y = e / (1 + e). So the gradient
    needs y and not x. The second derivative is that of this product through y, y (1 - y) (1 - 2 y); autograd finds it,
    because y is saved as an output and so is known to depend on x.

    Written out, `1 / (1 + torch.exp(-x))` keeps e and y, twice as much, and where e overflows (x below -88 in float32)
    its gradient is inf * 0 = nan; this one's is 0. `torch.sigmoid` keeps as little as this one does: use either.

    Shapes: any, of a floating dtype, which the result has too.

        >>> nn.sigmoid(torch.tensor([-100.0, 0.0]))
        tensor([0.0000, 0.5000])
    """
    return _Sigmoid.apply(x)  # type: ignore[return-value]


class _BiasRelu(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, bias: Tensor, dim: int) -> Tensor:
        return (x + _along(bias, dim, x.ndim).to(x.dtype)).relu_()  # in place: the sum itself is needed no more

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        _, bias, ctx.dim = inputs
        ctx.bias_dtype = bias.dtype
        ctx.save_for_backward(output > 0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (passed,) = ctx.saved_tensors
        grad = torch.where(passed, grads[0], 0)
        if not ctx.needs_input_grad[1]:
            return grad, None, None
        rest = [dim for dim in range(grad.ndim) if dim != ctx.dim]
        # A sum over no dimensions would be one over all.
        grad_bias = grad.sum(rest, dtype=ctx.bias_dtype) if rest else grad.to(ctx.bias_dtype)
        return (grad if ctx.needs_input_grad[0] else None), grad_bias, None


def bias_relu(x: Tensor, bias: Tensor, dim: int = 1) -> Tensor:
    """max(0, x + bias) with a bias for each channel, keeping one byte a number for the backward pass.

    With y = max(0, z), z = x + b: dy/dz is 1 where y > 0 and 0 elsewhere (at z = 0 too, as torch has it), so that

        dL/dx = dL/dy [y > 0],    dL/db_c = the sum of dL/dx over all places of channel c.

    Neither needs x, b or z: the mask [y > 0] is enough, and it is all that is kept. It does not change with x, so the
    second derivative is 0 in x and b, and that of what follows passes through the mask as the first one does.

    `F.relu(x + bias)` keeps y, four bytes a number in float32, and has both z and y in memory at once where this one
    has y. That pays where nothing else keeps y: in front of dropout, a mean or a sum. A convolution or linear layer
    keeps its input itself; before those y costs nothing and the mask comes on top. On a CPU it saves no time
    (`benchmarks/functions.py`).

    Args:
        x: any shape and memory format, (N, C), (N, C, H, W), … ; floating.
        bias: (C,), as many as x has along `dim`; floating. It is added in x's dtype, which the result has too: a
            float32 parameter leaves bfloat16 activations bfloat16. Its gradient is summed in its own dtype.
        dim: where the channels of x are; 1, as PyTorch's layers have them.

    Raises `ZooError` if the bias does not fit, which `+` would broadcast, and `IndexError` if x has no `dim`.

        >>> nn.bias_relu(torch.tensor([[-1.0, 1.0]]), torch.tensor([0.5, 0.5]))
        tensor([[0.0000, 1.5000]])
    """
    if bias.shape != (x.size(dim),):
        raise ZooError(f"bias_relu: bias {tuple(bias.shape)} does not fit dimension {dim} of x {tuple(x.shape)}.")
    return _BiasRelu.apply(x, bias, dim % x.ndim)  # type: ignore[return-value]


def _along(bias: Tensor, dim: int, ndim: int) -> Tensor:
    """(C,) as (1, …, C, …, 1) with C at `dim` of `ndim`."""
    return bias.view([-1 if i == dim else 1 for i in range(ndim)])
