"""What things may be called, and the order in which names are listed."""

from __future__ import annotations

import os
import re

from zoo.errors import ZooError

MODEL_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
"""What a model's name may be; a weight's has a dot and its tag after it."""

GUESTS = "timm/"
"""Names that begin so are timm's models: known, but not listed among the zoo's own."""


SHELVED = "timm-"
"""How the names of their weights begin: a weight is a folder, whose name has no slash."""


def stem_of(model: str) -> str:
    """What the names of a model's weights begin with: its name, of timm's without the slash and timm's own tag."""
    return SHELVED + model.removeprefix(GUESTS).partition(".")[0] if model.startswith(GUESTS) else model


def natural(name: str) -> list[tuple[int, str | int]]:
    """Sort key under which resnet18 stands before resnet101."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]


def text_of(name: str | os.PathLike[str]) -> str:
    """A name or path as text; `ZooError` if it is neither.

    `timm/NAME.TAG_vN` means the weight timm-NAME.TAG_vN, unless there is a folder of that name.
    """
    try:
        text = os.fsdecode(name)
    except TypeError as error:
        raise ZooError(f"{name!r} names no model or weight; give a name or a path, `zoo list` shows them.") from error
    guests = text.replace(GUESTS, SHELVED, 1)
    return guests if text.startswith(GUESTS) and is_weight_name(guests) and not os.path.exists(text) else text


def is_weight_name(name: str) -> bool:
    """Whether `name` reads `<model>.<tag>_v<N>`."""
    return re.fullmatch(rf"{MODEL_NAME}\.[A-Za-z0-9_-]+_v[0-9]+", name) is not None


def model_of(weight: str) -> str:
    """The model of a weight or a recipe, as `stem_of` writes it: what stands before the first dot of its name."""
    return weight.partition(".")[0]


def check_file_name(name: str, where: str) -> str:
    """`name`, if it can name a file inside a bundle and nothing outside it; `ZooError` if not."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) is None:
        raise ZooError(f"{where} names the file {name!r}, which is not a plain name inside the bundle; do not use it.")
    return name
