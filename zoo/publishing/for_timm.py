"""What timm reads in config.json, so that `timm.create_model("hf-hub:OWNER/NAME", pretrained=True)` loads the weight.

`architecture` is the model's name in timm's registry, where `import zoo` puts it (`zoo.models.in_timm`); `model_args`,
which config.json has anyway, are the arguments that timm makes it with; `pretrained_cfg` says what its input is, which
layers depend on the number of classes and channels, and what the classes are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from zoo import registry
from zoo.construct import skeleton
from zoo.models.in_timm import PREFIX, reads_images
from zoo.names import GUESTS


def for_timm(config: Mapping[str, Any]) -> dict[str, Any]:
    """The further keys of a bundle's config.json that timm reads; {} if its model does not read images."""
    about = config["input"]
    if about.get("kind") != "image" or not reads_images(registry.get(config["model"])):
        return {}
    labels, crops = list(config["labels"]), about.get("fit") == "crop"
    name, first, head = _named(config["model"], config["model_args"])
    told: dict[str, Any] = {
        "input_size": [about["channels"], *about["size"]],
        "mean": about["mean"],
        "std": about["std"],
        "interpolation": "bilinear",
        "crop_pct": 1.0,
        "crop_mode": "center" if crops else "squash",
        "num_classes": len(labels) if labels else -1,
        "first_conv": first,
        "classifier": head if labels else None,
    }
    if labels:
        told["label_names"] = labels
    return {"architecture": name, "pretrained_cfg": told}


def _named(model: str, arguments: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """What timm calls the model, its first convolution and its last layer."""
    if model.startswith(GUESTS):
        from zoo.models.timm import config

        return model.removeprefix(GUESTS).partition(".")[0], config(model).first_conv, config(model).classifier
    made = skeleton(model, arguments)
    convs = (name for name, layer in made.named_modules() if isinstance(layer, nn.Conv2d))
    head = "head" if isinstance(getattr(made, "head", None), nn.Linear) else None
    return f"{PREFIX}{model}", next(convs, None), head
