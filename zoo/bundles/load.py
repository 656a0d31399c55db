"""A bundle -> a model. Nothing is initialised that the weight overwrites, and no tensor is copied on its way.

The model is constructed on the meta device, where tensors have shapes but no memory, and no value is filled in; then
the tensors, mapped from the file straight onto their device, become its parameters and buffers.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from zoo import caller, init, registry
from zoo.bundles import plugged
from zoo.bundles.format import Bundle
from zoo.bundles.record import Model, Record, attach, figures_of, values
from zoo.bundles.widen import widened
from zoo.construct import Budget, check_arguments, check_options, device_of, in_full, skeleton
from zoo.errors import ZooError, some
from zoo.nn.channels import adapt_channels
from zoo.tensors import read_tensors

_SHOWN = 3  # of each kind of mismatch


def load_model(
    bundle: Bundle,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    num_classes: int | None = None,
    model_args: Mapping[str, Any] | None = None,
) -> Model:
    """The bundle's model in eval mode, with its `Record` as `model.zoo`.

    Args:
        device: where the model goes, by default torch's default device. The tensors are read straight onto it.
        dtype: of floating-point tensors; by default float32, even if the bundle stores float16 or bfloat16.
        num_classes: if it differs from the weight's, only `head` is replaced, by a fresh one drawn from torch's RNG
            by the model's init scheme, with one warning; 0 leaves the head out. The RNG is not touched otherwise.
        model_args: overrides of the bundle's arguments for the constructor, such as a dropout rate. If `in_chans`
            differs from the weight's, the first layer is summed or repeated (`zoo.nn.channels`).

    Raises `ZooError` if a file is absent, damaged or not what it should be, if tensors and model do not fit (it
    lists a few names each that are missing, unexpected or of another shape), if no model can be built with the
    arguments, and if the device is not there or, as meta, has no memory.
    """
    where = device_of(device)
    if where.type == "meta":
        raise ZooError("a pretrained model on the device 'meta' has no values; choose one with memory, such as 'cpu'.")
    return _load(bundle, where, dtype, check_options(dtype, num_classes), model_args)


@caller.own()
def _load(
    bundle: Bundle,
    device: torch.device,
    dtype: torch.dtype | None,
    num_classes: int | None,
    model_args: Mapping[str, Any] | None,
) -> Model:
    config, name = bundle.config, bundle.name or bundle.folder.name
    plugged.require(bundle, plugged.LOADED)
    for said in plugged.differing(bundle, plugged.ANSWERS):
        warnings.warn(said, stacklevel=5)
    entry = registry.get(config["model"])
    if num_classes and "num_classes" not in inspect.signature(entry.constructor).parameters:
        raise ZooError(f"{name} holds a {entry.name}, which has no num_classes; leave it out.")
    arguments = {**config["model_args"], **(model_args or {})}
    check_arguments(entry, arguments)
    tensors = bundle.read_tensors(lambda path, file: _read(path, bundle.folder / file, device, dtype))
    # The caller's own arguments may ask for a larger model than the bundle's tensors make.
    budget = None if model_args or num_classes is not None else Budget.of(tensors)
    model = skeleton(entry.name, arguments, budget)
    about = _in_channels(model, tensors, config["input"], arguments.get("in_chans"))
    _assign(model, tensors, name)
    if _is_partial(model, device, dtype):
        # The constructor computed something that no state dict holds, such as a table of positions.
        model = in_full(entry.name, arguments, budget and Budget.of(tensors))
        _assign(model, tensors, name)
        model.to(device=device, dtype=dtype)
    _flatten_recurrent(model, device)

    labels, figures = (
        tuple(config["labels"]),
        figures_of(bundle.metrics.get("metrics")) if about is config["input"] else {},
    )
    if num_classes is not None and _replace_head(model, num_classes, entry.init, name):
        labels, figures = tuple(map(str, range(num_classes))), {}
    told = Record(entry.name, name, config["task"], labels, about, bundle.recipe, values(figures), figures)
    return attach(model.eval(), told)


def _read(path: Path, named: Path, device: torch.device, dtype: torch.dtype | None) -> dict[str, Tensor]:
    """The tensors in `path`; messages call it `named`."""
    wanted = dtype or torch.float32
    try:
        if device.type == "cpu" and (converted := widened(path, wanted)) is not None:
            return converted
        tensors = read_tensors(path, str(device))
    except (SafetensorError, OSError) as error:
        raise ZooError(
            f"{named} is not a whole safetensors file ({error}); fetch or publish the bundle again."
        ) from error
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype != wanted:
            tensors[key] = tensor.to(wanted)  # one at a time, so that memory never holds all of them twice
    return tensors


def _assign(model: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Make the tensors the model's own, by name and strictly. A tied tensor needs one of its names in the file."""
    slots: dict[int, list[str]] = {}
    expected = model.state_dict(keep_vars=True)  # the parameters themselves: tied names hold one object
    for key, slot in expected.items():
        slots.setdefault(id(slot), []).append(key)
    state: dict[str, Tensor] = {}
    missing, other, wrong = [], [], []
    for keys in slots.values():
        slot, found = expected[keys[0]], next((key for key in keys if key in tensors), None)
        if found is None:
            missing.append(keys[0])
        elif tensors[found].shape != slot.shape:
            other.append(f"{found} {list(tensors[found].shape)} instead of {list(slot.shape)}")
        elif tensors[found].is_floating_point() != slot.is_floating_point() or tensors[found].is_complex():
            wrong.append(f"{found} {tensors[found].dtype} instead of {slot.dtype}")
        else:
            value = tensors[found]
            if isinstance(slot, nn.Parameter):
                value = nn.Parameter(value, requires_grad=slot.requires_grad)
            state.update(dict.fromkeys(keys, value))
    unexpected = [key for key in tensors if key not in expected]
    report = {"missing": missing, "unexpected": unexpected, "of another shape": other, "of another type": wrong}
    if any(report.values()):
        told = "; ".join(f"{len(keys)} {kind}: {some(keys, _SHOWN)}" for kind, keys in report.items() if keys)
        raise ZooError(f"the tensors of {name} do not fit its model ({told}); check the model's arguments.")
    model.load_state_dict(state, assign=True)


def _is_partial(model: nn.Module, device: torch.device, dtype: torch.dtype | None) -> bool:
    """Whether any tensor of the model does not yet have the right device or dtype."""

    def strays(tensor: Tensor) -> bool:
        return tensor.device != device or (dtype is not None and tensor.is_floating_point() and tensor.dtype != dtype)

    return any(
        isinstance(value, Tensor) and strays(value)
        for module in model.modules()
        for value in chain(module._parameters.values(), module._buffers.values(), vars(module).values())
    )


def _flatten_recurrent(model: nn.Module, device: torch.device) -> None:
    """Put a recurrent layer's weights into one piece of memory, which cuDNN needs and the CPU does not."""
    if device.type != "cpu":
        for module in model.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()


def _in_channels(
    model: nn.Module, tensors: dict[str, Tensor], about: dict[str, Any], channels: int | None
) -> dict[str, Any]:
    """Make the first layer's tensor fit `channels`; returns the input transform for that number of channels."""
    before = about.get("channels")
    if channels is None or before is None or channels == before:
        return about
    first = next(iter(model.state_dict()))
    if first in tensors:
        tensors[first] = adapt_channels(tensors[first], before, channels)
    scale = {key: [sum(about[key]) / len(about[key])] for key in ("mean", "std")}
    return {**about, "channels": channels, **scale}


def leave_out_head(model: nn.Module, name: str) -> None:
    """Remove the head, so that the model gives its features; `ZooError` if the model has no way to do that."""
    reset = getattr(model, "reset_classifier", None)
    if reset is None:
        raise ZooError(f"the model of {name} has no reset_classifier, so its head stays; leave num_classes=0 out.")
    reset(0)


def _replace_head(model: nn.Module, num_classes: int, scheme: str, name: str) -> bool:
    if not num_classes:
        leave_out_head(model, name)
        return True
    head: Any = getattr(model, "head", None)
    timms = not isinstance(head, nn.Linear) and hasattr(model, "get_classifier")
    if timms:  # timm's last layers have various names
        head = model.get_classifier()  # type: ignore[operator]
    if not isinstance(head, nn.Linear):
        raise ZooError(f"the model of {name} has no linear head to replace; leave num_classes out.")
    if head.out_features == num_classes:
        return False
    weight = head.weight
    with torch.device(weight.device):
        if timms:
            model.reset_classifier(num_classes)  # type: ignore[operator]
            model.to(weight.dtype)
        else:
            fresh = nn.Linear(head.in_features, num_classes, bias=head.bias is not None)
            init.apply(fresh, scheme)
            model.head = fresh.to(weight.dtype)
    if getattr(model, "ngrams", None) is not None:  # the n-grams' weights are for the old labels
        model.ngrams = None  # type: ignore[assignment]
    warnings.warn(
        f"the head of {name} for {head.out_features} classes was replaced by a fresh one for {num_classes}; "
        "train it before you trust an answer.",
        stacklevel=6,
    )
    return True
