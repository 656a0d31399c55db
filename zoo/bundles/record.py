"""What a created model knows of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Record:
    """`model.zoo`: where a model comes from and how to feed it.

    `weight` is None for a freshly initialised model, and a folder's name for a bundle outside every index; `labels` are
    the classes in the order of the outputs; `input` is the transform as data (config.json), `recipe` the YAML text,
    `metrics` the published figures (metrics.json). What does not apply, or is not known, is empty.
    """

    name: str
    weight: str | None
    task: str
    labels: tuple[str, ...] = ()
    input: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
