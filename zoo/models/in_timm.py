"""The zoo's image models in timm's registry, as `zoo_<model>`: timm's own loader then makes and fills them.

    import timm
    import zoo

    model = timm.create_model("hf-hub:OWNER/NAME", pretrained=True).eval()

A published weight's config.json names the model and its input as timm wants them (`zoo.publishing.for_timm`). timm
looks models up in its registry alone and asks no other package for them, so the program must `import zoo`, before or
after timm.
"""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from zoo import init, registry
from zoo.registry import Model

PREFIX = "zoo_"  # timm has a resnet18 of its own
_GIVEN = ("num_classes", "in_chans", "img_size", "global_pool")


def reads_images(model: Model) -> bool:
    """Whether a sample is (C, H, W): samples of the zoo's other kinds of data have fewer dimensions."""
    return len(model.input_shape) == 3


def offer_all() -> None:
    """Register every image model with timm; what `zoo.register_model` registers later follows by itself."""
    for name in registry.names():
        offer(registry.get(name))


def offer(model: Model) -> None:
    """Register a model with timm, unless it does not read images or timm has it already."""
    import timm

    name = f"{PREFIX}{model.name}"
    if not reads_images(model) or timm.is_model(name):
        return
    takes = inspect.signature(model.constructor).parameters

    def constructor(**arguments: Any) -> nn.Module:
        made = model.constructor(**arguments)
        init.apply(made, model.init)
        return made

    def entry(pretrained: bool = False, **given: Any) -> nn.Module:
        # timm gives these to every model, as the weight's input and labels have them; what a caller gives stays.
        left: Any = tuple(key for key in _GIVEN if key not in {*takes, *given})
        given["pretrained_cfg"] = given.get("pretrained_cfg") or _untrained(model, name)
        return timm.models.build_model_with_cfg(constructor, name, pretrained, kwargs_filter=left, **given)

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"{model.description} ({model.source})."
    timm.models.register_model(entry)


def _untrained(model: Model, name: str) -> dict[str, Any]:
    """The settings for timm of a model without a weight, for which timm would assume ImageNet's."""
    outputs = inspect.signature(model.constructor).parameters.get("num_classes")
    told: dict[str, Any] = {"architecture": name, "num_classes": outputs.default if outputs else -1}
    return {**told, "input_size": model.input_shape} if len(model.input_shape) == 3 else told
