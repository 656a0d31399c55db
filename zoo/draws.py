"""Private random numbers: inside `drawn`, torch's draws come from a given generator.

torch's default generator is shared by the whole process: seeding or restoring it rewinds it for all
threads. Most functions that draw take a generator, and get ours. The few that take none (dropout inside
`nn.LSTM`, `scaled_dot_product_attention`, compiled graphs, kernels of a GPU) borrow the default one for their own
duration, one thread at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.overrides import TorchFunctionMode

_borrowing = threading.Lock()

_FACTORIES = frozenset({torch.rand, torch.randn, torch.randint, torch.randperm})
_FILLS = (
    *("bernoulli_", "uniform_", "normal_", "random_", "exponential_", "geometric_", "cauchy_", "log_normal_"),
    *("bernoulli", "multinomial"),
)
_INITS = (
    *("uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_"),
    *("xavier_normal_", "orthogonal_", "sparse_"),
)
_OF_TENSORS = frozenset(
    {torch.normal, torch.bernoulli, torch.multinomial, torch.poisson, torch.binomial}
    | {getattr(Tensor, name) for name in _FILLS}
    | {getattr(nn.init, name) for name in _INITS}
)
_LIKE: dict[Callable[..., Any], Callable[[Tensor, Generator], Tensor]] = {
    torch.rand_like: lambda empty, generator: empty.uniform_(generator=generator),
    torch.randn_like: lambda empty, generator: empty.normal_(generator=generator),
}
_RECURRENT = frozenset({torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu})
_OF_LAYERS = (
    *("dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu", "gumbel_softmax"),
    *("multi_head_attention_forward", "scaled_dot_product_attention"),
    *("fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices"),
)
_OF_TORCH = (
    *("dropout", "dropout_", "feature_dropout", "feature_dropout_", "alpha_dropout", "alpha_dropout_"),
    *("feature_alpha_dropout", "feature_alpha_dropout_", "rrelu", "rrelu_", "native_dropout", "randint_like"),
)
_WITHOUT = frozenset(
    {getattr(F, name) for name in _OF_LAYERS} | {getattr(torch, name) for name in _OF_TORCH if hasattr(torch, name)}
)


class Drawn(TorchFunctionMode):
    """Inside this context torch's draws on the CPU come from `generator`; torch's own generators are not touched."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.dropout:
            return self.dropout(*args, **kwargs)
        if func in _OF_TENSORS:
            filled = args[0] if args else next(iter(kwargs.values()))
            if isinstance(filled, Tensor) and filled.device.type == "cpu" and kwargs.get("generator") is None:
                kwargs = {**kwargs, "generator": self.generator}
        elif func in _FACTORIES:
            if kwargs.get("generator") is None and is_cpu(kwargs.get("device")):
                kwargs = {**kwargs, "generator": self.generator}
        elif func in _LIKE:
            if is_cpu(kwargs.get("device", args[0].device)):
                return _LIKE[func](torch.empty_like(*args, **kwargs), self.generator)
        elif func in _WITHOUT or (func in _RECURRENT and any(type(x) is float and x > 0 for x in args)):
            with borrowed(self.generator):
                return func(*args, **kwargs)
        return func(*args, **kwargs)

    def dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """Dropout as torch does it on the CPU (`_dropout_impl` in ATen/native/Dropout.cpp)."""
        if not training or not 0 < p < 1 or input.device.type != "cpu":
            return F.dropout(input, p, training, inplace)
        noise = self.noise(input, 1 - p)
        return input.mul_(noise) if inplace else input * noise

    def noise(self, input: Tensor, kept: float) -> Tensor:
        """The mask by which dropout multiplies `input`."""
        return torch.empty_like(input).bernoulli_(kept, generator=self.generator).div_(kept)


@contextmanager
def borrowed(generator: Generator) -> Iterator[None]:
    """Inside this context torch's default generator draws the numbers of `generator`, which moves on; at the end the
    default one is restored.

    Only one thread at a time may be inside. Other threads that use the default generator meanwhile get numbers of
    `generator`.
    """
    default = torch.default_generator
    with _borrowing:
        before = default.get_state()
        default.set_state(generator.get_state())
        try:
            yield
        finally:
            generator.set_state(default.get_state())
            default.set_state(before)


def is_cpu(device: torch.device | str | None) -> bool:
    """Whether a tensor that is made with this argument lies on the CPU."""
    return (default_device() if device is None else torch.device(device)).type == "cpu"


def default_device() -> torch.device:
    """The device of a tensor that is made without a given device.

    Found by making a tensor: torch 2.6's `get_default_device` sees no `with torch.device(…)`, and raises an
    AttributeError after `set_default_device(None)`.
    """
    return torch.empty(0).device
