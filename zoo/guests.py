"""timm's models as guests in the registry: `timm/NAME`, with timm's own constructors, weights and input transforms."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.bundles.record import Model, Record, attach
from zoo.construct import check_arguments, check_options, device_of
from zoo.errors import ZooError, unknown
from zoo.integrity import check_file
from zoo.names import GUESTS
from zoo.registry import Model as Registered

TENSORS = "model.safetensors"


def names(pattern: str = "*") -> list[str]:
    """The guests that fit the glob, in timm's order; a pretrained weight's tag stands behind a dot."""
    timm = _timm()
    found = dict.fromkeys([*timm.list_models(pattern), *timm.list_models(pattern, pretrained=True)])
    return [f"{GUESTS}{name}" for name in sorted(found)]


def model(name: str) -> Registered:
    """The registry's entry of a guest. Raises `ZooError` where timm is not installed or has no such model."""
    timm, own = _timm(), name.removeprefix(GUESTS)
    size = tuple(_config(name).input_size)

    def construct(num_classes: int | None = None, in_chans: int = 3, drop_rate: float = 0.0) -> nn.Module:
        more = {} if num_classes is None else {"num_classes": num_classes}
        return timm.create_model(own, in_chans=in_chans, drop_rate=drop_rate, **more)

    source = f"timm {timm.__version__}, {timm.model_entrypoint(own).__module__}"
    return Registered(name, construct, "image-classification", "constructor", f"timm's {own}", source, size)


def transform(name: str) -> dict[str, Any]:
    """timm's input transform of a guest, as a bundle's config.json has it."""
    config = _config(name)
    channels, *size = config.input_size
    scale = {"mean": list(config.mean), "std": list(config.std)}
    return {"kind": "image", "channels": channels, "size": size, "maximum": 255.0, **scale}


def pretrained(
    name: str,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    num_classes: int | None = None,
    **model_args: Any,
) -> Model:
    """A guest with timm's weight in eval mode, `model.zoo` its record. Another `num_classes` gives a fresh classifier.

    Raises `ZooError` where the weight is not on the Hub as safetensors, cannot be had, or has other bytes than the Hub
    says: nothing is unpickled.
    """
    from safetensors.torch import load_file

    entry, path = model(name), file(name)
    num_classes = check_options(dtype, num_classes)
    where = device_of(device)
    check_arguments(entry, model_args)
    with torch.random.fork_rng(devices=[]):
        net = entry.constructor(num_classes=num_classes, **model_args)
    tensors = load_file(path)
    labels = net.get_classifier().out_features if isinstance(net.get_classifier(), nn.Linear) else 0
    if num_classes not in (None, _config(name).num_classes):
        classifier = f"{_config(name).classifier}."
        tensors = {key: value for key, value in tensors.items() if not key.startswith(classifier)}
        warnings.warn(f"the classifier of {name} is a fresh one for {num_classes} classes; train it.", stacklevel=3)
        tensors |= {key: value for key, value in net.state_dict().items() if key.startswith(classifier)}
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise ZooError(f"the weight of {name} does not fit it ({' '.join(str(error).split())}).") from error
    net.to(device=where, dtype=dtype)
    classes = tuple(map(str, range(labels)))
    return attach(net.eval(), Record(name, _config(name).hf_hub_id, entry.task, classes, transform(name)))


def file(name: str) -> Path:
    """The path of a guest's weight, fetched from the Hub where it is not in its cache, its SHA-256 checked."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    from zoo.home import offline
    from zoo.sources.hub import ask, hub_errors

    place = _config(name).hf_hub_id
    if not place:
        raise ZooError(f"timm has no weight of {name} on the Hub; leave pretrained out, or name another model.")
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    cached = isinstance(try_to_load_from_cache(place, TENSORS), str)
    if offline() and not cached:
        raise ZooError(
            f"{TENSORS} of {place}: ZOO_OFFLINE forbids the network, and the Hub's cache lacks it; unset it."
        )
    with hub_errors(f"{TENSORS} of {place}"):
        if not cached:
            ask(api, place, TENSORS)
        path = Path(api.hf_hub_download(place, TENSORS, local_files_only=offline(), etag_timeout=5))
    blob = path.resolve()  # which the Hub's cache names by the file's SHA-256
    if len(blob.name) != 64:
        raise ZooError(f"the Hub gives no SHA-256 for {TENSORS} of {place}, so nothing vouches for it.")
    check_file(blob, blob.name)
    return blob


def _config(name: str) -> Any:
    timm, own = _timm(), name.removeprefix(GUESTS)
    if not timm.is_model(own):
        raise unknown("model of timm", name, names())
    try:
        found = timm.get_pretrained_cfg(own)
    except RuntimeError as error:  # there is no such tag behind the dot
        raise unknown("model of timm", name, names()) from error
    if found is None:
        raise ZooError(f"timm knows no input transform of {name}; name another model.")
    return found


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ZooError(f"models named {GUESTS}… need timm; install it with: pip install timm.") from error
    return timm
