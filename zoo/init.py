"""Init schemes: named ways to fill a fresh model's parameters.

A scheme is a function of one layer and its gain; `apply` calls it for every layer of a model, children before parents,
which is the order in which PyTorch itself draws. Three rules hold for every scheme but `default`:

- Gain: that of the activation which follows the layer, i.e. the first activation module registered between it and the
  next layer with weights. Where there is none it is relu for a convolution (a residual block applies it after the sum)
  and linear for everything else. The model's last layer, and the one it calls `head`, are linear.
- Fan: fan_out for convolutions, which keeps the variance of the gradient (He et al. 2015, arXiv:1502.01852, section
  2.2, and every ResNet since), and fan_in for the rest, which keeps the variance of what flows forward. Groups of a
  convolution, gates of a recurrent layer and the projections of an attention layer count as weights of their own.
- Biases are zero. Norm layers, embeddings and layers of unknown kind have `reset_parameters` called (one and zero for
  the norms, N(0, 1) with a zero padding row for the embeddings); one that has none keeps what its constructor drew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import chain
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from zoo.plugins import Table

Scheme = Callable[[nn.Module, float], None]  # (layer, gain)
Fill = Callable[[Tensor, float, str], object]  # (weight, gain, fan mode)

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_WEIGHTED = (*_CONVOLUTIONS, *_RECURRENT, nn.Linear, nn.Bilinear, nn.MultiheadAttention)

_RELU = math.sqrt(2.0)
# The smooth relatives of relu halve the second moment nearly as it does, and have no published gain of their own.
_GAINS = {
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.ELU, nn.Mish, nn.Softplus, nn.Hardswish), _RELU),
    nn.Tanh: 5 / 3,
    nn.SELU: 3 / 4,
    **dict.fromkeys((nn.Sigmoid, nn.Hardsigmoid, nn.Softmax, nn.LogSoftmax, nn.GLU), 1.0),
}

SCHEMES: Table[Scheme] = Table("init scheme", "zoo.inits")


def register_init(name: str | None = None) -> Callable[[Scheme], Scheme]:
    """Decorator that registers `scheme(layer, gain)` under its own name or `name`.

    It fills the parameters that `layer` itself holds, runs under `torch.no_grad` and draws from torch's global RNG.
    Raises `ZooError` if the name is taken.

        >>> @zoo.register_init()
        ... def tenths(layer, gain):
        ...     for parameter in layer.parameters(recurse=False):
        ...         parameter.uniform_(-0.1, 0.1)
        >>> model = zoo.create("mlp")
        >>> zoo.init.apply(model, "tenths")
        >>> max(parameter.abs().max().item() for parameter in model.parameters()) <= 0.1
        True
    """

    def register(scheme: Scheme) -> Scheme:
        SCHEMES.register(scheme.__name__ if name is None else name, scheme, scheme)
        return scheme

    return register


def names() -> list[str]:
    """All registered schemes, sorted."""
    return SCHEMES.names()


@torch.no_grad()
def apply(model: nn.Module, scheme: str) -> None:
    """Fill every parameter of `model` in place, on the device it is on, from torch's global RNG.

    A tied parameter keeps what the first layer that holds it was given. Raises `ZooError` for an unknown scheme.
    """
    fill = SCHEMES.find(scheme)
    gain_of = gains(model)
    filled: set[Tensor] = set()
    for layer in _children_first(model, set()):
        own = list(layer.parameters(recurse=False))
        tied = [(parameter, parameter.clone()) for parameter in own if parameter in filled]
        if parametrize.is_parametrized(layer):
            # A parametrized weight (weight norm) is computed when read: fill the computed one, then assign it back.
            with parametrize.cached():
                fill(layer, gain_of.get(layer, 1.0))
                for name in cast(nn.ModuleDict, layer.parametrizations):
                    setattr(layer, name, getattr(layer, name))
        else:
            fill(layer, gain_of.get(layer, 1.0))
        for parameter, value in tied:
            parameter.copy_(value)
        filled.update(own)


def gains(model: nn.Module) -> dict[nn.Module, float]:
    """The gain of every layer with weights, by the rule at the head of this file."""
    found: dict[nn.Module, float] = {}
    layer = None  # the last layer with weights that no activation has followed yet
    for _, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, _WEIGHTED):
            found.pop(module, None)  # a layer used twice stands where it is used last
            found[module] = _RELU if isinstance(module, _CONVOLUTIONS) else 1.0
            layer = module
        elif layer is not None and (gain := _gain(module)) is not None:
            found[layer] = gain
            layer = None
    head = getattr(model, "head", None)
    found.update({last: 1.0 for last in (layer, head) if last in found})
    # A recurrent layer's activations are inside it.
    return {module: 1.0 if isinstance(module, _RECURRENT) else gain for module, gain in found.items()}


def _gain(module: nn.Module) -> float | None:
    if isinstance(module, nn.LeakyReLU):
        return math.sqrt(2 / (1 + module.negative_slope**2))
    if isinstance(module, nn.PReLU):
        return math.sqrt(2 / (1 + module.init**2))
    return _GAINS.get(type(module))


def _children_first(module: nn.Module, seen: set[nn.Module]) -> Iterator[nn.Module]:
    if module in seen:
        return
    seen.add(module)
    for child in module.children():
        yield from _children_first(child, seen)
    yield module


def _reset(layer: nn.Module) -> None:
    """PyTorch's own initialisation of the parameters and running statistics that the layer itself holds."""
    holds = any(True for _ in chain(layer.parameters(recurse=False), layer.buffers(recurse=False)))
    reset = getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)
    if callable(reset) and (holds or parametrize.is_parametrized(layer)):
        reset()


def _fill(layer: nn.Module, gain: float, fill: Fill) -> None:
    """Every weight of the layer by `fill`, its biases zero; layers of another kind by `_reset`."""
    if isinstance(layer, _CONVOLUTIONS):
        # The weight of a transposed convolution has its axes the other way round, so torch's fans are swapped.
        fan = "fan_in" if layer.transposed else "fan_out"
        for group in layer.weight.chunk(layer.groups):
            fill(group, gain, fan)
    elif isinstance(layer, (nn.Linear, nn.Bilinear)):
        fill(layer.weight, gain, "fan_in")
    elif isinstance(layer, _RECURRENT):
        _fill_gates(layer, fill, fill)
    elif isinstance(layer, nn.MultiheadAttention):
        separate = (layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight)
        for projection in separate if layer.in_proj_weight is None else layer.in_proj_weight.chunk(3):
            fill(cast(Tensor, projection), gain, "fan_in")
    else:
        return _reset(layer)
    for name, parameter in layer.named_parameters(recurse=False):
        if "bias" in name:
            parameter.zero_()


def _fill_gates(layer: nn.Module, fill_input: Fill, fill_recurrent: Fill) -> None:
    """The weights of a recurrent layer gate by gate, each [hidden, input] or [hidden, hidden]; gain 1."""
    for name, weight in layer.named_parameters(recurse=False):
        if name.startswith("weight"):
            gates = max(1, weight.shape[0] // cast(int, layer.hidden_size))  # the projection of an LSTM is not a gate
            for gate in weight.chunk(gates):
                (fill_recurrent if "_hh" in name else fill_input)(gate, 1.0, "fan_in")


def _orthogonal(weight: Tensor, gain: float, fan: str) -> None:
    # QR exists neither on MPS nor in half precision.
    device = "cpu" if weight.device.type == "mps" else weight.device
    weight.copy_(nn.init.orthogonal_(torch.empty(weight.shape, device=device), gain))


def _xavier_uniform(weight: Tensor, gain: float, fan: str) -> None:
    nn.init.xavier_uniform_(weight, gain)


def _trunc_normal(weight: Tensor) -> None:
    nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04)


@register_init("default")
def default(layer: nn.Module, gain: float) -> None:
    """PyTorch's own: what the constructors draw."""
    _reset(layer)


@register_init("constructor")
def constructor(layer: nn.Module, gain: float) -> None:
    """Nothing: what the model's constructor drew stays, for models that bring an initialisation of their own."""


@register_init("kaiming_normal")
def kaiming_normal(layer: nn.Module, gain: float) -> None:
    """N(0, gain / sqrt(fan)) (He et al. 2015)."""
    _fill(layer, gain, lambda weight, gain, fan: weight.normal_(0, gain / math.sqrt(_fan(weight, fan))))


@register_init("kaiming_uniform")
def kaiming_uniform(layer: nn.Module, gain: float) -> None:
    """Uniform with the standard deviation of `kaiming_normal`."""

    def fill(weight: Tensor, gain: float, fan: str) -> None:
        bound = gain * math.sqrt(3 / _fan(weight, fan))
        weight.uniform_(-bound, bound)

    _fill(layer, gain, fill)


@register_init("xavier_normal")
def xavier_normal(layer: nn.Module, gain: float) -> None:
    """N(0, gain * sqrt(2 / (fan_in + fan_out))) (Glorot and Bengio 2010)."""
    _fill(layer, gain, lambda weight, gain, fan: nn.init.xavier_normal_(weight, gain))


@register_init("xavier_uniform")
def xavier_uniform(layer: nn.Module, gain: float) -> None:
    """Uniform with the standard deviation of `xavier_normal`."""
    _fill(layer, gain, _xavier_uniform)


@register_init("orthogonal")
def orthogonal(layer: nn.Module, gain: float) -> None:
    """Orthonormal rows (or columns, the fewer) times gain, each weight flattened to [out, rest] (Saxe et al. 2014)."""
    _fill(layer, gain, _orthogonal)


@register_init("trunc_normal")
def trunc_normal(layer: nn.Module, gain: float) -> None:
    """N(0, 0.02) cut at two standard deviations, whatever the fan, embeddings too (BERT, ViT)."""
    if isinstance(layer, nn.Embedding):
        _trunc_normal(layer.weight)
        if layer.padding_idx is not None:
            layer.weight[layer.padding_idx].zero_()
    else:
        _fill(layer, gain, lambda weight, gain, fan: _trunc_normal(weight))


@register_init("recurrent")
def recurrent(layer: nn.Module, gain: float) -> None:
    """Recurrent layers: Xavier input weights, orthogonal recurrent weights, forget-gate bias 1; `xavier_uniform` else.

    The forget gate's bias of 1 (Jozefowicz et al. 2015, section 2.2) is in `bias_ih` alone; `bias_hh` adds to it.
    """
    if not isinstance(layer, _RECURRENT):
        return xavier_uniform(layer, gain)
    _fill_gates(layer, _xavier_uniform, _orthogonal)
    for name, parameter in layer.named_parameters(recurse=False):
        if name.startswith("bias"):
            parameter.zero_()
            if name.startswith("bias_ih") and isinstance(layer, (nn.LSTM, nn.LSTMCell)):
                parameter.chunk(4)[1].fill_(1)  # PyTorch orders the gates input, forget, cell, output


@register_init("chrono")
def chrono(layer: nn.Module, gain: float) -> None:
    """`recurrent`, but that the gates of an LSTM or a GRU start out remembering for 2 to 200 steps, each unit its own.

    The forget gate's bias is ln u with u from U(1, 199), the input gate's its negative; a GRU's update gate, which
    keeps, has ln u (Tallec & Ollivier 2018, Can Recurrent Neural Networks Warp Time?, equation 16). For networks that
    answer from their last state: with a forget bias of 1 it knows the last few words alone, and training is slow to
    mend that. 200 is about the length of a review.
    """
    recurrent(layer, gain)
    if not isinstance(layer, (nn.LSTM, nn.LSTMCell, nn.GRU, nn.GRUCell)):
        return
    for name, parameter in layer.named_parameters(recurse=False):
        if name.startswith("bias_ih"):
            gates = parameter.chunk(4 if isinstance(layer, (nn.LSTM, nn.LSTMCell)) else 3)
            gates[1].uniform_(1, 199).log_()  # PyTorch orders a GRU's gates reset, update, new
            if len(gates) == 4:
                gates[0].copy_(-gates[1])


def _fan(weight: Tensor, mode: str) -> int:
    receptive = math.prod(weight.shape[2:])
    return receptive * weight.shape[1 if mode == "fan_in" else 0]
