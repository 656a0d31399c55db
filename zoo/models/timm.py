"""timm's models as guests in the registry: `timm/NAME`, with timm's own constructors and input transforms.

They are not registered but looked up when one is named: there are more than a thousand, and importing timm takes a
second.
`zoo.sources.timm` has their weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from zoo.errors import ZooError, unknown
from zoo.names import GUESTS
from zoo.registry import Model


def names(pattern: str = "*") -> list[str]:
    """The guests that fit the glob, in timm's order; a pretrained weight's tag stands after a dot."""
    timm = _timm()
    found = dict.fromkeys([*timm.list_models(pattern), *timm.list_models(pattern, pretrained=True)])
    return [f"{GUESTS}{name}" for name in sorted(found)]


def model(name: str) -> Model:
    """The registry's entry of a guest, which takes timm's arguments (`img_size`, `features_only`, …).

    Raises `ZooError` if timm is not installed or has no such model.
    """
    timm, own = _timm(), name.removeprefix(GUESTS)
    size = tuple(config(name).input_size)

    def construct(
        num_classes: int | None = None, in_chans: int = 3, drop_rate: float = 0.0, **arguments: Any
    ) -> nn.Module:
        classes = {} if num_classes is None else {"num_classes": num_classes}
        return timm.create_model(own, in_chans=in_chans, drop_rate=drop_rate, **classes, **arguments)

    source = f"timm {timm.__version__}, {timm.model_entrypoint(own).__module__}"
    return Model(name, construct, "image-classification", "constructor", f"timm's {own}", source, size)


def maker(name: str) -> Any:
    """timm's function that makes a guest, to which its source belongs."""
    return _timm().model_entrypoint(name.removeprefix(GUESTS))


def transform(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """timm's input transform of a guest that was made with these arguments, as a bundle's config.json has it."""
    found = config(name)
    channels, height, width = found.input_size
    if (given := arguments.get("img_size")) is not None:
        height, width = (given, given) if isinstance(given, int) else given
    scale = {"mean": list(found.mean), "std": list(found.std)}
    if arguments.get("in_chans", channels) != channels:
        channels = arguments["in_chans"]
        scale = {key: [sum(values) / len(values)] for key, values in scale.items()}
    return {"kind": "image", "channels": channels, "size": [height, width], "maximum": 255.0, **scale}


def config(name: str) -> Any:
    """What timm knows of a guest's weight: its place on the Hub, its classes, its input. Raises `ZooError` if not."""
    timm, own = _timm(), name.removeprefix(GUESTS)
    if not timm.is_model(own):
        raise unknown("model of timm", name, names())
    try:
        found = timm.get_pretrained_cfg(own)
    except RuntimeError as error:  # the tag after the dot does not exist
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
