"""The recipe of a picture model that has no recipe of its own: `zoo train timm/NAME --data PATH`."""

from __future__ import annotations

from typing import Any

from zoo import registry, tasks
from zoo.errors import ZooError
from zoo.names import GUESTS, stem_of
from zoo.recipes import Recipe, parse

IMAGENET: dict[str, list[float]] = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

# A short form of what timm and torchvision use for such models today: AdamW, one cycle, random windows of the
# pictures. It learns hundreds of pictures in tens of epochs, above all from a pretrained weight.
CONTENT: dict[str, Any] = {
    "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
    "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.05},
    "schedule": {"name": "one_cycle", "warmup": 0.1},
    "train": {"epochs": 20, "clip": 1.0},
}
DATA: dict[str, Any] = {"batch_size": 32, "augment": {"resized_crop": {}, "flip": {}}}


def recipe(name: str, address: str) -> Recipe:
    """The recipe that `name` follows on the pictures at `address`; `ZooError` for a model of another task."""
    model = registry.get(name)
    if tasks.get(model.task).kind != "image" or len(model.input_shape) != 3:
        raise ZooError(f"{name} has no recipe of the zoo's to follow; write one (CONTRIBUTING.md).")
    data = {"name": address, **DATA, **_scale(name)}
    content = {"model": name, "init": model.init, "data": data, **CONTENT}
    return parse(content, name=f"{stem_of(name)}.own", where=name)


def start(name: str) -> tuple[str | None, str]:
    """(the weight from which a run of the model begins, "") or (None, why it begins from random tensors)."""
    if not name.startswith(GUESTS):
        return None, ""
    from zoo.sources import timm

    try:
        timm.file(name)
    except ZooError as error:
        return None, str(error)
    return name, ""


def _scale(name: str) -> dict[str, Any]:
    if not name.startswith(GUESTS):
        return IMAGENET
    from zoo.sources import timm

    return {key: timm.transform(name, {})[key] for key in IMAGENET}
