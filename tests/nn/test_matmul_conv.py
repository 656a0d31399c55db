"""The matrix-product convolution against the library's, in value, gradient and precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zoo.nn.matmul_conv import MatmulConv, unfold, use_matmul_conv

SHAPES = [(2, 3, 5, 6), (1, 2, 4, 4), (3, 1, 1, 2)]


def draw(shape: tuple[int, ...], outputs: int = 4, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True)
    weight = torch.randn(outputs, shape[1], 3, 3, dtype=dtype, generator=generator, requires_grad=True)
    return x, weight


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_conv2d(shape: tuple[int, ...], stride: int):
    x, weight = draw(shape)
    ours, theirs = MatmulConv.apply(x, weight, stride), F.conv2d(x, weight, stride=stride, padding=1)
    assert ours.shape == theirs.shape and torch.allclose(ours, theirs)
    upstream = torch.randn_like(theirs)
    grads = (torch.autograd.grad(y, (x, weight), upstream) for y in (ours, theirs))
    for a, b in zip(*grads, strict=True):
        assert torch.allclose(a, b)


@pytest.mark.parametrize("stride", [1, 2])
def test_channels_last_input_gives_the_same(stride: int):
    x, weight = draw(SHAPES[0])
    last = x.detach().contiguous(memory_format=torch.channels_last)
    assert torch.equal(MatmulConv.apply(last, weight, stride), MatmulConv.apply(x, weight, stride))


@pytest.mark.parametrize("stride", [1, 2])
def test_gradcheck(stride: int):
    x, weight = draw((2, 2, 4, 3), outputs=3)
    assert torch.autograd.gradcheck(lambda x, w: MatmulConv.apply(x, w, stride), (x, weight))


def test_a_second_derivative_is_refused_rather_than_wrong():
    # The unfolded rows are kept from the forward pass as they are, so x would be missing from the weight's gradient.
    x, weight = draw((1, 2, 3, 3))
    (grad,) = torch.autograd.grad(MatmulConv.apply(x, weight, 1).square().sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_only_what_is_asked_for_is_computed():
    x, weight = draw(SHAPES[0])
    MatmulConv.apply(x.detach(), weight, 1).sum().backward()
    assert x.grad is None and weight.grad is not None


@pytest.mark.parametrize("stride", [1, 2])
def test_unfold_orders_rows_as_written(stride: int):
    x, _ = draw(SHAPES[0])
    reference = F.unfold(x, 3, padding=1, stride=stride)  # (N, C * 9, places), channels before the window
    n, channels = x.shape[:2]
    reference = reference.view(n, channels, 9, -1).permute(0, 3, 2, 1).reshape(-1, 9 * channels)
    assert torch.equal(unfold(x, stride), reference)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(32, 32, 1, bias=False),
        nn.Conv2d(32, 8, 3, padding=1, bias=False),  # too few outputs
        nn.Conv2d(8, 16, 3, padding=1, groups=2, bias=False),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect", bias=False),
        nn.Conv2d(16, 32, 3, padding=1),  # a bias
    )


def test_only_the_convolutions_it_is_for_are_replaced_and_the_state_dict_stays():
    model = net()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    use_matmul_conv(model, channels=8)
    assert [index for index, module in enumerate(model) if "forward" in vars(module)] == [0, 1]
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(type(module) is nn.Conv2d for module in model)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_replaced_model_computes_the_same(dtype: torch.dtype):
    plain, replaced = net(), net()
    use_matmul_conv(replaced, channels=8)
    x = torch.randn(2, 8, 6, 6)
    results = []
    for model in (plain, replaced):
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
            y = model(x)
        assert y.dtype is dtype
        y.float().square().mean().backward()
        grads = [parameter.grad for parameter in model.parameters()]
        assert all(grad is not None and grad.dtype is torch.float32 for grad in grads)
        results.append([y.detach().float(), *grads])
    tolerance = 3e-2 if dtype is torch.bfloat16 else 1e-5
    for a, b in zip(*results, strict=True):
        assert (a - b).norm() <= tolerance * b.norm()
