"""What a created model knows about itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from zoo import display
from zoo.errors import ZooError


@dataclass(frozen=True)
class Record:
    """`model.zoo`: where a model comes from and how to feed it.

    `weight` is None for a freshly initialised model, and a folder's name for a bundle that no index lists; `labels` are
    the classes in the order of the outputs; `input` is the transform as data (config.json), `recipe` the YAML text.
    `metrics` maps each metric to its value for these very tensors, and `figures` to value, mean, std, n, seeds and
    values over the seeds that were run (metrics.json). Fields that do not apply, or are not known, are empty.

        >>> made = zoo.create("mlp", pretrained=True).zoo
        >>> made.weight, made.task, made.labels[:3]
        ('mlp.digits_v1', 'image-classification', ('0', '1', '2'))
    """

    name: str
    weight: str | None
    task: str
    labels: tuple[str, ...] = ()
    input: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.name, self.weight))

    def __repr__(self) -> str:
        return display.screen(self._title(), self._rows())

    def _repr_html_(self) -> str:
        return display.markup(self._title(), self._rows())

    def _title(self) -> str:
        return f"Record of {self.weight or f'{self.name}, freshly initialised'}"

    def _rows(self) -> dict[str, str]:
        """One line for each field; of the recipe, which would fill the screen, only its length."""
        lines = self.recipe.count("\n")
        return {
            "name": self.name,
            "weight": self.weight or "",
            "task": self.task,
            "labels": display.some(self.labels, 60),
            "input": display.settings(self.input),
            "recipe": f"{lines} lines of YAML" if lines else "",
            "figures": display.figures(self.metrics, self.figures),
        }


if TYPE_CHECKING:

    class Model(nn.Module):
        """A model that `zoo.create` made: any `nn.Module`, with its record as `zoo`."""

        zoo: Record

else:  # models have their own classes, which need not know this one
    Model = nn.Module


def record(model: nn.Module) -> Record:
    """The record of a model that `zoo.create` made, for code that has it as an `nn.Module`.

    The same as `model.zoo`, with a type. Raises `ZooError` if the zoo did not make the model.

        >>> zoo.record(zoo.create("mlp", pretrained=True)).weight
        'mlp.digits_v1'
    """
    found = getattr(model, "zoo", None)
    if not isinstance(found, Record):
        raise ZooError(f"this {type(model).__name__} has no record; make the model with zoo.create.")
    return found


def attach(model: nn.Module, record: Record) -> Model:
    """The same model, with its record as `model.zoo`."""
    known = cast(Model, model)
    known.zoo = record
    return known


def figures_of(metrics: Any) -> dict[str, dict[str, Any]]:
    """The figures of metrics.json's `metrics` that can be shown; loading ignores the others."""
    found = metrics if isinstance(metrics, dict) else {}
    return {name: one for name, one in found.items() if isinstance(one, dict) and _is_figure(one)}


def _is_figure(one: Mapping[str, Any]) -> bool:
    numbers = [one[key] for key in ("value", "mean", "std") if one.get(key) is not None]
    return type(one.get("n", 1)) is int and all(
        type(number) in (int, float) and abs(number) <= sys.float_info.max for number in numbers
    )


def values(figures: Mapping[str, Any]) -> dict[str, float]:
    """Metric -> value, from figures as in metrics.json; a figure without a value is left out."""
    return {name: one["value"] for name, one in figures.items() if isinstance(one, Mapping) and "value" in one}
