"""What things may be called, and the order in which names are listed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from zoo.errors import ZooError

MODEL_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
"""What a model's name may be; a weight's has a dot and its tag after it."""

LONGEST = 200
"""Characters of a name; file systems take 255, and something is put before and after it."""

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
        raise ZooError(
            f"{name!r} names no model or weight; give a name or a path; `zoo list` shows the names."
        ) from error
    guests = text.replace(GUESTS, SHELVED, 1)
    return guests if text.startswith(GUESTS) and is_weight_name(guests) and not os.path.exists(text) else text


def is_weight_name(name: str) -> bool:
    """Whether `name` reads `<model>.<tag>_v<N>`, and a folder may be called so on every system."""
    named = re.fullmatch(rf"{MODEL_NAME}\.[A-Za-z0-9_-]+_v[0-9]+", name) is not None
    return named and len(name) <= LONGEST and not _is_reserved(name)


def model_of(weight: str) -> str:
    """The model of a weight or a recipe, as `stem_of` writes it: what stands before the first dot of its name."""
    return weight.partition(".")[0]


def _is_reserved(name: str) -> bool:
    """Whether Windows takes the name for a device, whatever follows its first dot."""
    return re.fullmatch(r"con|prn|aux|nul|com[0-9]|lpt[0-9]", name.partition(".")[0].lower()) is not None


def check_cases(names: Iterable[str], where: str) -> None:
    """Raise `ZooError` if two names differ in capitals alone: on many machines they would be one file."""
    seen: dict[str, str] = {}
    for name in names:
        if seen.setdefault(name.lower(), name) != name:
            raise ZooError(
                f"{where} names {seen[name.lower()]} and {name}, which are one file on many machines; do not use it."
            )


def check_file_name(name: str, where: str) -> str:
    """`name`, if it can name a file inside a bundle and nothing outside it; `ZooError` if not."""
    plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) is not None and len(name) <= LONGEST
    if not plain or name.endswith(".") or _is_reserved(name):
        raise ZooError(f"{where} names the file {name!r}, which is not a plain name inside the bundle; do not use it.")
    return name
