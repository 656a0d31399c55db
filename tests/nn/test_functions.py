"""The autograd functions against their definitions: values, two derivatives, memory, and where they may be used."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.graph import saved_tensors_hooks

from zoo.errors import ZooError
from zoo.nn import bias_relu, sigmoid

# The shape of x, and where its channels are.
SHAPES = [((5, 3), 1), ((2, 3, 4, 5), 1), ((2, 4, 3), -1), ((3, 2), 0), ((3,), 0), ((0, 3), 1), ((0, 3, 4, 4), 1)]


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def composed_sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def composed_bias_relu(x: Tensor, bias: Tensor, dim: int = 1) -> Tensor:
    return F.relu(x + bias.view([-1 if i == dim % x.ndim else 1 for i in range(x.ndim)]))


def saved_bytes(compute: Callable[[], Tensor]) -> int:
    """What autograd keeps of a computation: the bytes of every tensor saved, one that is saved twice counted once."""
    kept: dict[int, Tensor] = {}
    with saved_tensors_hooks(lambda tensor: kept.setdefault(tensor.data_ptr(), tensor), lambda tensor: tensor):
        result = compute()
    assert result.requires_grad
    return sum(tensor.nbytes for tensor in kept.values())


def test_sigmoid_equals_torchs_with_both_derivatives() -> None:
    x = draw(4, 5)
    torch.testing.assert_close(sigmoid(x), torch.sigmoid(x))
    torch.testing.assert_close(sigmoid(x), composed_sigmoid(x))
    assert gradcheck(sigmoid, (x,)) and gradgradcheck(sigmoid, (x,))
    y = torch.sigmoid(x)
    (first,) = torch.autograd.grad(sigmoid(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(first, y * (1 - y))
    torch.testing.assert_close(second, y * (1 - y) * (1 - 2 * y))


def test_sigmoid_is_symmetric_and_rises() -> None:
    x = draw(200, dtype=torch.float64).detach().sort().values * 5
    torch.testing.assert_close(sigmoid(x) + sigmoid(-x), torch.ones_like(x))
    assert (sigmoid(x).diff() > 0).all() and sigmoid(torch.zeros(())).item() == 0.5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_sigmoid_of_extreme_numbers_is_flat_and_not_nan(dtype: torch.dtype) -> None:
    x = torch.tensor([-1e4, -100, 100, 1e4], dtype=dtype, requires_grad=True)
    y = sigmoid(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert y.dtype == gradient.dtype == dtype
    torch.testing.assert_close(y.tolist(), [0.0, 0.0, 1.0, 1.0], atol=1e-6, rtol=0)
    torch.testing.assert_close(gradient.tolist(), [0.0] * 4, atol=1e-6, rtol=0)
    assert torch.autograd.grad(composed_sigmoid(x).sum(), x)[0].isnan().any()


@pytest.mark.parametrize(("shape", "dim"), SHAPES, ids=str)
def test_bias_relu_equals_the_composed_form_with_both_derivatives(shape: tuple[int, ...], dim: int) -> None:
    x, bias = draw(*shape), draw(3, seed=1)
    ours, theirs = bias_relu(x, bias, dim), composed_bias_relu(x, bias, dim)
    assert torch.equal(ours, theirs)
    upstream = draw(*shape, seed=2)
    for a, b in zip(*(torch.autograd.grad(y, (x, bias), upstream) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)
    assert gradcheck(lambda x, b: bias_relu(x, b, dim), (x, bias))
    assert gradgradcheck(lambda x, b: bias_relu(x, b, dim), (x, bias))


def test_bias_relu_keeps_the_memory_format() -> None:
    x, bias = draw(2, 3, 4, 5), draw(3, seed=1)
    last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    y = bias_relu(last, bias)
    (gradient,) = torch.autograd.grad(y.square().sum(), last)
    for result in (y, gradient):
        assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, bias_relu(x, bias))


def test_bias_relu_reads_views_and_changes_neither_input() -> None:
    whole, bias = draw(6, 5, 4), draw(2, seed=1)
    view = whole.transpose(0, 2)[:, ::2, 1:3]  # (4, 3, 2)
    before = whole.detach().clone()
    torch.testing.assert_close(bias_relu(view, bias, 2), composed_bias_relu(view, bias, 2))
    assert torch.equal(whole, before) and torch.equal(bias, draw(2, seed=1))


def test_at_the_kink_the_slope_is_zero_as_relus() -> None:
    x, bias = torch.tensor([[-1.0, 1.0]], requires_grad=True), torch.tensor([1.0, -1.0])
    assert torch.autograd.grad(bias_relu(x, bias).sum(), x)[0].tolist() == [[0.0, 0.0]]


def test_bias_relu_computes_only_the_gradients_asked_for() -> None:
    x, bias = draw(4, 3), draw(3, seed=1)
    bias_relu(x.detach(), bias).sum().backward()
    bias_relu(x, bias.detach()).sum().backward()
    expected = torch.autograd.grad(composed_bias_relu(x, bias).sum(), (x, bias))
    assert x.grad is not None and torch.equal(x.grad, expected[0])
    assert bias.grad is not None and torch.equal(bias.grad, expected[1])


@pytest.mark.parametrize(("shape", "bias", "dim"), [((4, 3), 4, 1), ((4, 1), 3, 1), ((4, 3), 1, 1), ((4, 3), 3, -2)])
def test_a_bias_that_does_not_fit_is_refused(shape: tuple[int, ...], bias: int, dim: int) -> None:
    with pytest.raises(ZooError, match=rf"bias \({bias},\) does not fit dimension {dim}"):
        bias_relu(torch.zeros(shape), torch.zeros(bias), dim)


def test_sigmoid_saves_half_of_what_the_composed_form_saves() -> None:
    x = draw(64, 32, dtype=torch.float32)
    assert saved_bytes(lambda: composed_sigmoid(x)) == 2 * x.nbytes
    assert saved_bytes(lambda: sigmoid(x)) == saved_bytes(lambda: torch.sigmoid(x)) == x.nbytes


def test_bias_relu_saves_a_byte_and_the_composed_form_saves_a_number() -> None:
    x, bias = draw(8, 32, 6, 6, dtype=torch.float32), draw(32, seed=1, dtype=torch.float32)
    assert saved_bytes(lambda: composed_bias_relu(x, bias)) == x.nbytes
    assert saved_bytes(lambda: bias_relu(x, bias)) == x.nbytes // 4
    # Before a layer that keeps its input the byte comes on top, as the docstring says; before a mean it does not.
    mean = [saved_bytes(lambda f=f: f(x, bias).mean((2, 3))) for f in (composed_bias_relu, bias_relu)]
    assert mean == [x.nbytes, x.nbytes // 4]
    conv = nn.Conv2d(32, 4, 1)
    before_a_convolution = [saved_bytes(lambda f=f: conv(f(x, bias))) for f in (composed_bias_relu, bias_relu)]
    assert before_a_convolution[1] - before_a_convolution[0] == x.nbytes // 4


def both(x: Tensor, bias: Tensor) -> Tensor:
    return sigmoid(bias_relu(x, bias) - 1).square().sum()


def test_torch_compile_takes_both_in_one_graph() -> None:
    x, bias = draw(4, 3), draw(3, seed=1)
    compiled = torch.compile(both, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, bias), both(x, bias))
    gradients = (torch.autograd.grad(f(x, bias), (x, bias)) for f in (compiled, both))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("bias_dim", [None, 0], ids=["one bias", "a bias each"])
def test_vmap_equals_a_loop(bias_dim: int | None) -> None:
    x, bias = draw(6, 4, 3).detach(), draw(6, 3, seed=1).detach()
    bias = bias if bias_dim == 0 else bias[0]

    def looped(f: Callable[..., Tensor]) -> Tensor:
        return torch.stack([f(x[i], bias[i] if bias_dim == 0 else bias) for i in range(6)])

    torch.testing.assert_close(torch.vmap(bias_relu, in_dims=(0, bias_dim))(x, bias), looped(bias_relu))
    torch.testing.assert_close(torch.vmap(sigmoid)(x), sigmoid(x))
    gradient = torch.func.grad(both, argnums=1)
    torch.testing.assert_close(torch.vmap(gradient, in_dims=(0, bias_dim))(x, bias), looped(gradient))


def test_autocast_keeps_activations_half_and_gradients_in_the_parameters_dtype() -> None:
    torch.manual_seed(0)
    linear, bias, x = nn.Linear(5, 3, bias=False), draw(3, dtype=torch.float32), torch.randn(40, 5)
    results = []
    for enabled in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = sigmoid(bias_relu(linear(x), bias))
        assert y.dtype == (torch.bfloat16 if enabled else torch.float32)
        results.append(torch.autograd.grad(y.float().square().sum(), (linear.weight, bias)))
    for half, full in zip(*results, strict=True):
        assert half.dtype == torch.float32
        assert (half - full).norm() <= 2e-2 * full.norm()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same() -> None:
    x, bias = draw(4, 3, 5, 5), draw(3, seed=1)
    there = x.detach().cuda().requires_grad_(), bias.detach().cuda().requires_grad_()
    torch.testing.assert_close(both(*there).cpu(), both(x, bias))
    gradients = torch.autograd.grad(both(*there), there), torch.autograd.grad(both(x, bias), (x, bias))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a.cpu(), b)


def test_meta_gives_shapes_without_memory() -> None:
    y = bias_relu(torch.empty(4, 3, device="meta", requires_grad=True), torch.empty(3, device="meta"))
    assert sigmoid(y).is_meta and y.shape == (4, 3)
