"""The rules for names, and the order in which they are listed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from zoo.errors import ZooError

MODEL_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
"""The form of a model's name; a weight's name adds a dot and its tag."""

LONGEST = 200
"""The most characters of a name; file systems take 255, and we add some before and after it."""

GUESTS = "timm/"
"""Names with this beginning are timm's models: known, but not listed among the zoo's own."""


SHELVED = "timm-"
"""The beginning of their weights' names: a weight is a folder, so its name has no slash."""


def stem_of(model: str) -> str:
    """The beginning of the names of a model's weights: the model's name; for timm's, without the slash and timm's own
    tag."""
    return SHELVED + model.removeprefix(GUESTS).partition(".")[0] if model.startswith(GUESTS) else model


def natural(name: str) -> list[tuple[int, str | int]]:
    """Sort key that puts resnet18 before resnet101."""
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
    """Whether `name` has the form `<model>.<tag>_v<N>`, and can be a folder's name on every system."""
    named = re.fullmatch(rf"{MODEL_NAME}\.[A-Za-z0-9_-]+_v[0-9]+", name) is not None
    return named and len(name) <= LONGEST and not _is_reserved(name)


def model_of(weight: str) -> str:
    """The model of a weight or a recipe, as `stem_of` writes it: the part of the name before the first dot."""
    return weight.partition(".")[0]


def _is_reserved(name: str) -> bool:
    """Whether Windows takes the name for a device, whatever comes after its first dot."""
    return re.fullmatch(r"con|prn|aux|nul|com[0-9]|lpt[0-9]", name.partition(".")[0].lower()) is not None


def check_cases(names: Iterable[str], where: str) -> None:
    """Raise `ZooError` if two names differ only in capitals: on many machines they would be one file."""
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
