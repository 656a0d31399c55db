"""3 x 3 convolutions over few pixels as one matrix product, for training on CPUs."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class MatmulConv(torch.autograd.Function):
    """A 3 x 3 convolution with padding 1 whose forward and weight gradient are matrix products.

    With x unfolded into rows of 9 C_in numbers, U (N H' W', 9 C_in), and the weight as a matrix M (9 C_in, C_out):
    Y = U M, hence dL/dM = U^T dL/dY (Chellapilla et al. 2006). dL/dx is left to the library's convolution, which is
    fast there.

    Why: oneDNN's bfloat16 weight gradient loses its speed where images are small and channels many. At (128, 512, 4, 4)
    both passes by products took half the time on a Xeon with AMX, and as long on an EPYC; `benchmarks/matmul_conv.py`
    measures it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        rows = unfold(x, stride)
        n, outputs = len(x), weight.shape[0]
        height, width = ((side - 1) // stride + 1 for side in x.shape[2:])
        matrix = weight.permute(2, 3, 1, 0).reshape(-1, outputs)
        ctx.save_for_backward(x, weight, rows)
        ctx.stride = stride
        return (rows @ matrix).view(n, height, width, outputs).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable  # rows come from the forward pass as they are: a second derivative would miss x
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight, rows = ctx.saved_tensors
        outputs, inputs = weight.shape[:2]
        grad = grads[0]
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            stride = [ctx.stride] * 2
            grad_x = torch.ops.aten.convolution_backward(
                grad, x, weight, None, stride, [1, 1], [1, 1], False, [0, 0], 1, [True, False, False]
            )[0]
        if ctx.needs_input_grad[1]:
            flat = grad.permute(0, 2, 3, 1).reshape(-1, outputs)
            grad_weight = (rows.T @ flat).view(3, 3, inputs, outputs).permute(3, 2, 0, 1)
        return grad_x, grad_weight, None


def unfold(x: Tensor, stride: int) -> Tensor:
    """The 3 x 3 patches of x (N, C, H, W), padded by 1, as rows (N H' W', 9 C) in the order (row, column, channel)."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    n, height, width, channels = padded.shape
    a, b, c, d = padded.stride()
    shape = (n, (height - 3) // stride + 1, (width - 3) // stride + 1, 3, 3, channels)
    return padded.as_strided(shape, (a, b * stride, c * stride, b, c, d)).reshape(-1, 9 * channels)


def use_matmul_conv(model: nn.Module, *, channels: int = 256) -> None:
    """Let `model`'s 3 x 3 convolutions with at least `channels` inputs and twice as many outputs run as `MatmulConv`.

    Those are the last stage's of a ResNet, where it pays. The state dict does not change.
    """
    for module in model.modules():
        if (
            isinstance(module, nn.Conv2d)
            and module.kernel_size == (3, 3)
            and module.padding == (1, 1)
            and module.stride in ((1, 1), (2, 2))
            and module.dilation == (1, 1)
            and module.groups == 1
            and module.padding_mode == "zeros"
            and module.bias is None
            and module.in_channels >= channels
            and module.out_channels >= 2 * channels
        ):
            module.forward = _forward(module)


def _forward(conv: nn.Conv2d) -> Any:
    def forward(x: Tensor) -> Tensor:
        weight = conv.weight
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, weight = x.to(dtype), weight.to(dtype)
        return MatmulConv.apply(x, weight, conv.stride[0])

    return forward
