"""`zoo.create`: a name -> a model."""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
from torch import nn

from zoo import caller, init, registry
from zoo.bundles.index import has_tensors
from zoo.bundles.load import leave_out_head, load_model
from zoo.bundles.plugged import LOADED, require
from zoo.bundles.record import Model, Record, attach
from zoo.construct import check_arguments, check_options, check_units, construct, device_of
from zoo.draws import Drawn
from zoo.errors import ZooError
from zoo.names import GUESTS, is_weight_name, stem_of, text_of

DEFAULT = "DEFAULT"
"""The word of torchvision's users for a model's default weight; it has no version, so it cannot be a tag."""


def create(
    name: str | os.PathLike[str],
    *,
    pretrained: bool = False,
    weights: str | os.PathLike[str] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    num_classes: int | None = None,
    **model_args: Any,
) -> Model:
    """A model by name, freshly initialised or with a published weight.

    Args:
        name: a model (`"bilstm_attn"`, or `"timm/resnet18"` for one of timm's). A weight (`"bilstm_attn.imdb_v1"`),
            the folder of a bundle or a source URL is also accepted, and then loads.
        pretrained: True loads the model's default weight.
        weights: load this one: its tag (`"imdb_v1"`), its full name, the folder of a bundle, or a source URL;
            `"DEFAULT"` is the model's default weight, like `pretrained=True`.
        device: where the model is made, by default torch's default device.
        dtype: of parameters and floating-point buffers; float32 by default, whatever the bundle stores.
        num_classes: outputs of the head. If a weight has another number, only its head is replaced, freshly
            initialised, with one warning. 0 leaves the head out: the model gives its features.
        **model_args: for the model's constructor; they override those of a weight. Image models take `in_chans`; with a
            weight for another number of channels their first layer is summed or repeated, as timm does it.

    On the CPU a float32 weight's tensors are the pages of its file, not a copy: loading takes no time and no memory.
    So the file must not change while the model is in use: overwriting it in place changes the model, and shortening
    it ends the process. The zoo itself replaces files and never rewrites one. `copy.deepcopy(model)` has its own
    memory.

    Returns: the model. With a weight it is in eval mode, and torch's RNG is untouched (except for a replaced head);
    without, it is in training mode and filled by its init scheme from torch's RNG: same seed, same model. `model.zoo`
    is its `Record`: name, weight, task, labels, input transform, recipe, metrics, figures.

    Raises `ZooError` for an unknown model or weight, a damaged bundle, tensors that do not fit, arguments that the
    model does not take, and a device that this machine does not have.

        >>> zoo.create("resnet18_cifar", num_classes=3)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 3])
        >>> zoo.create("mlp.digits_v1").training
        False
    """
    name = text_of(name)
    if not isinstance(pretrained, bool):  # a tag here would silently load the default weight
        raise ZooError(f"pretrained is {pretrained!r} where True or False is expected; name a weight by weights=.")
    wanted, is_model = name, is_model_name(name)
    if is_model:
        if weights is not None and text_of(weights) == DEFAULT:
            weights, pretrained = None, True
        if (pretrained or weights is not None) and not registry.is_known(name):
            _require(name, weights)
        entry = registry.get(name)
        if name.startswith(GUESTS) and weights is None and pretrained:
            return _guest(entry, device_of(device), dtype, num_classes, model_args)
        if weights is not None:
            wanted = _weight(name, text_of(weights))
        elif not pretrained:
            return _fresh(entry, device_of(device), dtype, num_classes, model_args)
    elif weights is not None:
        raise ZooError(f"{name!r} is a weight already; leave out weights={text_of(weights)!r}, or name the model.")

    from zoo import sources

    bundle = sources.find(wanted)
    if is_model and stem_of(bundle.config["model"]) != stem_of(name):
        raise ZooError(f"{wanted} holds a {bundle.config['model']!r}, not a {name!r}; name the model it holds.")
    return load_model(bundle, device=device, dtype=dtype, num_classes=num_classes, model_args=model_args)


def _require(model: str, weights: str | os.PathLike[str] | None) -> None:
    """Name the package that brings an unknown model, if one of its weights says it."""
    from zoo import sources

    try:
        bundle = sources.find(model if weights is None else _weight(model, text_of(weights)))
    except ZooError:  # such a weight does not exist either
        return
    require(bundle, LOADED)


def is_model_name(name: str) -> bool:
    """Whether `name` is looked up among the models, rather than being a weight, a bundle's folder or a URL."""
    return registry.is_known(name) or not ("." in name or _is_place(name))


def _weight(model: str, weights: str) -> str:
    """The weight that `weights=` means for this model: a place or full name as it is, a tag with the model's name
    before it."""
    return weights if _is_place(weights) or is_weight_name(weights) else f"{stem_of(model)}.{weights}"


def _is_place(name: str) -> bool:
    """Whether this is a URL or the folder of a bundle or a run rather than a name."""
    # Not Path.is_file, which raises if a name is too long for a file.
    return (
        "://" in name
        or "/" in name
        or os.sep in name
        or has_tensors(name)
        or os.path.isfile(os.path.join(name, "recipe.yaml"))
    )


@caller.own()
def _fresh(
    entry: registry.Model,
    device: torch.device,
    dtype: torch.dtype | None,
    num_classes: int | None,
    model_args: dict[str, Any],
) -> Model:
    num_classes = check_options(dtype, num_classes)
    if num_classes or (num_classes == 0 and entry.name.startswith(GUESTS)):
        model_args["num_classes"] = num_classes
    check_arguments(entry, model_args)
    with device:
        model = construct(entry.name, model_args)
    check_units(entry.name, model, model_args)
    init.apply(model, entry.init)
    if num_classes == 0 and "num_classes" not in model_args:
        leave_out_head(model, entry.name)
    model.to(dtype=dtype or torch.float32)
    return attach(model.train(), Record(entry.name, None, entry.task))


@caller.own()
def _guest(
    entry: registry.Model,
    device: torch.device,
    dtype: torch.dtype | None,
    num_classes: int | None,
    model_args: dict[str, Any],
) -> Model:
    """A timm model with timm's weight, in eval mode; `model.zoo` is its record. Another `num_classes` gives a fresh
    classifier.

    Raises `ZooError` if the weight is not on the Hub as safetensors, cannot be had, or has other bytes than the Hub
    says: nothing is unpickled.
    """
    from zoo.models.timm import config, transform
    from zoo.sources import timm

    name, path = entry.name, timm.file(entry.name)
    num_classes = check_options(dtype, num_classes)
    check_arguments(entry, model_args)
    published = config(name).num_classes
    try:
        with Drawn(torch.Generator()):
            # timm itself knows how its weights fit other channels, sizes of images and parts of a model.
            own = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(path)}}
            net = entry.constructor(num_classes=num_classes, **model_args, **own)
    except Exception as error:  # timm and torch raise almost anything for arguments that do not go together
        why = " ".join(str(error).split()) or type(error).__name__
        raise ZooError(
            f"the weight of {name} does not fit the model with {model_args} ({why}); change these arguments."
        ) from error
    if num_classes not in (None, published):
        warnings.warn(f"the classifier of {name} is a fresh one for {num_classes} classes; train it.", stacklevel=5)
    net.to(device=device, dtype=dtype)
    head = net.get_classifier() if hasattr(net, "get_classifier") else None
    classes = tuple(map(str, range(head.out_features))) if isinstance(head, nn.Linear) else ()
    input = transform(name, model_args)
    return attach(net.eval(), Record(name, config(name).hf_hub_id, entry.task, classes, input))
