"""Metrics of a weight or a run, on its recipe's test split or on anybody's labelled data."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from zoo import caller, kinds, names, sources, tasks
from zoo.bundles.format import Bundle
from zoo.bundles.load import load_model
from zoo.check import check_config
from zoo.data import Split
from zoo.data.own import places
from zoo.kinds.feed import Batches
from zoo.publishing.provenance import recipe_of, trusting
from zoo.recipes import Recipe
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

    An ONNX file of the zoo (`FILE.onnx`) is measured as its weight is.

    With `data` (a path, a frame, or (inputs, targets)) they are measured on all of its labelled rows instead; of a
    folder with train and test files on the test files, and of the very data that the weight was trained on, on their
    test part. `columns` says what stands where, as `data.columns` of a recipe, such as {"target": "label"}; what it
    leaves out is as in the weight's recipe. A recipe that names files of a machine is refused, unless `trust` lets it
    read them.

    Downloads the data set if it is not at hand. Raises `ZooError` for an unknown name, an unfinished run, and data
    that are nowhere to be had or that the weight cannot read.

        >>> zoo.evaluate("mlp.digits_v1")
        {'accuracy': 0.986...}
    """
    if not isinstance(name_or_run, Run) and names.text_of(name_or_run).endswith(".onnx"):
        from zoo._export import evaluating

        return evaluating.evaluate(name_or_run) if data is None else evaluating.on_own(name_or_run, data, columns)[0]
    if data is None:
        with trusting(trust):
            return metrics_of(_bundle(name_or_run), device)
    return on_own(name_or_run, data, columns, device)[0]


def on_own(
    name_or_run: str | os.PathLike[str] | Run,
    place: Any,
    columns: Mapping[str, Any] | None = None,
    device: torch.device | str | None = None,
) -> tuple[dict[str, float], list[measures.OfClass]]:
    """(all metrics of its task, what it does with each class) of a weight on somebody's labelled data, as `evaluate`
    reads them."""
    bundle = _bundle(name_or_run)
    check_config(bundle)
    with places.at(place):
        recipe, model = recipe_of(bundle), load_model(bundle, device=device)
    test, task = own.whole(recipe, place, bundle.config, columns), tasks.get(bundle.config["task"])
    outputs, truth = outputs_of(model, _batches(bundle, recipe, model, test), task)
    found = {name: metric(outputs, truth) for name, metric in measures.of(task, bundle.config["input"]).items()}
    values, notes = computed(found, "", "these data")
    for note in notes:
        warnings.warn(note, stacklevel=4)
    labels = bundle.config["labels"]
    return values, measures.of_classes(outputs, truth, labels) if task.classes else []


def _bundle(name_or_run: str | os.PathLike[str] | Run) -> Bundle:
    return sources.find(name_or_run.folder.absolute() if isinstance(name_or_run, Run) else name_or_run)


def metrics_of(bundle: Bundle, device: torch.device | str | None = None) -> dict[str, float]:
    check_config(bundle)
    recipe, model = recipe_of(bundle), load_model(bundle, device=device)
    asked = recipe.evaluate.metric
    found = metrics_on(bundle, recipe, model, own.load(recipe).test)
    values, notes = computed(found, asked, f"the test split of {recipe.data.name}")
    for note in notes:
        warnings.warn(note, stacklevel=4)
    return values


def metrics_on(bundle: Bundle, recipe: Recipe, model: nn.Module, split: Split) -> dict[str, float]:
    """The metrics of a model on a split, read as the bundle says."""
    batches = _batches(bundle, recipe, model, split)
    task = tasks.get(bundle.config["task"])
    return measure(model, batches, task, of_run(task, bundle.config["input"], recipe.evaluate.metric))


def _batches(bundle: Bundle, recipe: Recipe, model: nn.Module, split: Split) -> Batches:
    reads, device = kinds.input_of(bundle), next(model.parameters()).device
    return kinds.get(reads.kind).evaluation(split, reads, recipe.evaluate.batch_size, device)
