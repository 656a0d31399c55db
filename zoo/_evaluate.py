"""Metrics of a weight or a run, on its recipe's test split or on the user's labelled data."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from zoo import caller, names, sources
from zoo.check import check_config
from zoo.data import Split
from zoo.data.own import places
from zoo.opened import Opened
from zoo.recipes.of_bundle import trusting
from zoo.tasks import measures
from zoo.training import Run, own
from zoo.training.measure import computed, measure, of_run, outputs_of


@caller.own()
def evaluate(
    name_or_run: str | os.PathLike[str] | Run,
    *,
    data: Any = None,
    columns: Mapping[str, Any] | None = None,
    device: torch.device | str | None = None,
    trust: bool = False,
) -> dict[str, float]:
    """Metrics of a weight, a bundle folder or a finished run on its recipe's test split: metric -> value.

    An ONNX file of the zoo (`FILE.onnx`) is measured in the same way as its weight.

    With `data` (a path, a frame, or (inputs, targets)) they are measured on all labelled rows of these data instead;
    if `data` is a folder with train and test files, on the test files; if it is the same data that the weight was
    trained on, on their test part. `columns` names the columns, like `data.columns` of a recipe, such as {"target":
    "label"}; for the others the weight's recipe is used. A recipe that names files of a machine is refused, unless
    `trust` lets it read them.

    Downloads the data set if it is not at hand. Raises `ZooError` for an unknown name, an unfinished run, and data
    that cannot be found or fetched, or that the weight cannot read.

        >>> zoo.evaluate("mlp.digits_v1")
        {'accuracy': 0.986...}
    """
    if not isinstance(name_or_run, Run) and names.text_of(name_or_run).endswith(".onnx"):
        from zoo._export import evaluating

        return evaluating.evaluate(name_or_run) if data is None else evaluating.on_own(name_or_run, data, columns)[0]
    if data is None:
        with trusting(trust):
            return metrics_of(_opened(name_or_run, device))
    return on_own(name_or_run, data, columns, device)[0]


def on_own(
    name_or_run: str | os.PathLike[str] | Run,
    place: Any,
    columns: Mapping[str, Any] | None = None,
    device: torch.device | str | None = None,
) -> tuple[dict[str, float], list[measures.OfClass]]:
    """(all metrics of its task, the results for each class) of a weight on the user's labelled data, read as by
    `evaluate`."""
    opened = _opened(name_or_run, device)
    config, task = opened.bundle.config, opened.task
    check_config(opened.bundle)
    with places.at(place):
        recipe, model = opened.recipe, opened.model
    test = own.whole(recipe, place, config, columns)
    outputs, truth = outputs_of(model, opened.batches(test, _device_of(model)), task)
    found = {name: metric(outputs, truth) for name, metric in measures.of(task, config["input"]).items()}
    values, notes = computed(found, "", "these data")
    for note in notes:
        warnings.warn(note, stacklevel=4)
    return values, measures.of_classes(outputs, truth, config["labels"]) if task.classes else []


def _opened(name_or_run: str | os.PathLike[str] | Run, device: torch.device | str | None) -> Opened:
    place = name_or_run.folder.absolute() if isinstance(name_or_run, Run) else name_or_run
    return Opened(sources.find(place), device)


def metrics_of(opened: Opened) -> dict[str, float]:
    """The metrics of a weight on its recipe's test split."""
    check_config(opened.bundle)
    recipe, model = opened.recipe, opened.model
    found = metrics_on(opened, model, opened.data.test)
    values, notes = computed(found, recipe.evaluate.metric, f"the test split of {recipe.data.name}")
    for note in notes:
        warnings.warn(note, stacklevel=4)
    return values


def metrics_on(opened: Opened, model: nn.Module, split: Split) -> dict[str, float]:
    """The metrics of a model on a split, read as the bundle says."""
    settings, asked = opened.bundle.config["input"], opened.recipe.evaluate.metric
    batches = opened.batches(split, _device_of(model))
    return measure(model, batches, opened.task, of_run(opened.task, settings, asked))


def _device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
