"""A registered model -> a module: checks the constructor's arguments and calls it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo import registry
from zoo.draws import Drawn, default_device
from zoo.errors import ZooError, whole


class TooLarge(ZooError):
    """A constructor that makes more than it may: it is stopped and not tried in another way."""


@dataclass
class Budget:
    """How many tensors, and numbers in them, a constructor may make.

    A foreign bundle's arguments may ask for 30,000 layers or for 6 GB, although its tensors, which show how large the
    model is, are few. Everything else that a model needs (buffers that are not saved, values that are filled twice)
    is small compared with its tensors.
    """

    tensors: int
    numbers: int

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Budget:
        """The budget for making a model with these tensors."""
        return cls(8 * len(tensors) + 256, 4 * sum(tensor.numel() for tensor in tensors.values()) + 4_000_000)

    def spend(self, made: Tensor) -> None:
        self.tensors -= 1
        self.numbers -= made.numel()
        if self.tensors < 0 or self.numbers < 0:
            raise TooLarge("model_args ask for a far larger model than the tensors make; do not use this bundle.")


def construct(name: str, arguments: Mapping[str, Any]) -> Any:
    """The module that the model's constructor makes with these arguments, on torch's default device.

    Raises `ZooError` with model, arguments and cause in one line, whatever the constructor raised.
    """
    constructor = registry.get(name).constructor
    try:
        return constructor(**arguments)
    except TooLarge:
        raise
    except Exception as error:  # torch and the models raise almost anything for a bad value
        why = " ".join(str(error).split()) or type(error).__name__
        raise ZooError(f"model_args: {name} cannot be built with {dict(arguments)} ({why}); change them.") from error


def device_of(device: torch.device | str | None) -> torch.device:
    """The device; None means torch's default; `ZooError` if this machine does not have it."""
    try:
        found = default_device() if device is None else torch.device(device)
        if found.type != "cpu":
            return torch.empty(0, device=found).device  # a tensor has the full name of its device, with the index
        if found.index:  # torch itself accepts any index
            raise RuntimeError("the CPU is one device")
        return torch.device("cpu")
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ZooError(
            f"this machine does not have the device {str(device)!r}; choose one that it has, such as 'cpu'."
        ) from error


def check_options(dtype: torch.dtype | None, num_classes: int | None) -> int | None:
    """`num_classes` as an int; `ZooError` unless a head can have that many outputs and parameters this dtype."""
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ZooError(f"dtype is {dtype!r} where a floating-point dtype such as torch.float16 is expected.")
    if num_classes is None:
        return None
    count = whole(num_classes)
    if count is None or count < 0:
        raise ZooError(f"num_classes is {num_classes!r}, not a whole number; give 1 or more, or 0 for no head.")
    return count


def check_arguments(entry: registry.Model, arguments: Mapping[str, Any]) -> None:
    """Raise `ZooError` if the model's constructor does not take these arguments."""
    signature = inspect.signature(entry.constructor)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ZooError(
            f"model {entry.name!r}: {error}; it takes {', '.join(signature.parameters) or 'none'}."
        ) from error


def check_units(name: str, model: nn.Module, arguments: Mapping[str, Any]) -> None:
    """Raise `ZooError` if a layer has nothing to train, such as one of width 0."""
    for layer, parameter in model.named_parameters():
        if not parameter.numel():
            raise ZooError(f"model {name!r} with {dict(arguments)} has no units in {layer}; give 1 or more.")


class _Making(Drawn):
    """Watches what a constructor does on the device where it makes tensors.

    Calls that only fill a tensor of the meta device are left out: they have no effect, and they are most of a
    constructor's work there, because torch traces the shapes of random draws. Each tensor is deducted from a budget,
    if there is one, before it gets memory. Draws on other devices come from a separate generator.
    """

    def __init__(self, device: str, budget: Budget | None) -> None:
        super().__init__(torch.Generator())
        self.device = device
        self.budget = budget

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _FILLS:
            filled = args[0] if args else kwargs["tensor"]
            if filled.is_meta:
                return filled
        elif func in _MAKERS and self.budget is not None:
            device = kwargs.get("device") or self.device
            if device == "meta" or getattr(device, "type", None) == "meta":
                made = func(*args, **kwargs)
                self.budget.spend(made)
                return made
            with torch.device("meta"):
                self.budget.spend(func(*args, **{**kwargs, "device": "meta"}))
        return super().__torch_function__(func, types, args, kwargs)


_MAKERS = frozenset(getattr(torch, name) for name in ("empty", "zeros", "ones", "full", "rand", "randn", "arange"))
_FILLS = frozenset(
    {getattr(nn.init, name) for name in dir(nn.init) if name.endswith("_") and not name.startswith("_")}
    | {getattr(Tensor, name) for name in ("normal_", "uniform_", "fill_", "zero_")}
)


def skeleton(name: str, arguments: Mapping[str, Any], budget: Budget | None = None) -> nn.Module:
    """The model on the meta device; in full if its constructor needs values, as some do for `.item()`.

    Raises `TooLarge` if that takes more than `budget`.
    """
    try:
        with torch.device("meta"), _Making("meta", budget):
            return construct(name, arguments)
    except TooLarge:
        raise
    except ZooError:  # constructing in full gives either the model or the reason of the error
        return in_full(name, arguments, budget)


def in_full(name: str, arguments: Mapping[str, Any], budget: Budget | None = None) -> nn.Module:
    """The model constructed on the CPU with all its values, and nothing drawn from torch's RNG."""
    with torch.device("cpu"), _Making("cpu", budget):
        return construct(name, arguments)
