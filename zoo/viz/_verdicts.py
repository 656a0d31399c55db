"""What a classifier says of its recipe's test split, row by row."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.data import DataSet, Split
from zoo.data.split import IGNORED
from zoo.viz._which import check


@dataclass(frozen=True)
class Verdicts:
    """Probabilities (R, K), the truth (R,), and where each row stands among the test split's targets, flat (R,).

    A row is an image, a text or the row of a table; or a word, where each has a target of its own. `input` is the
    bundle's input transform.
    """

    weight: str
    input: dict[str, Any]
    data: DataSet
    probabilities: Tensor
    truth: Tensor
    places: Tensor


def verdicts(name: str | os.PathLike[str], what: str) -> Verdicts:
    """Classify the test split of a weight's or a run's recipe; the data set is fetched where it is not at hand.

    Raises `ZooError` for a weight whose task does not have the picture `what`.
    """
    from zoo import kinds, sources, tasks
    from zoo.bundles.load import load_model
    from zoo.publishing.provenance import recipe_of
    from zoo.training import own
    from zoo.training.measure import over

    bundle = sources.find(name)
    config, task = bundle.config, tasks.get(bundle.config["task"])
    check(name, task, what)
    recipe, model, reads = recipe_of(bundle), load_model(bundle), kinds.input_of(bundle)
    found = own.load(recipe)
    # Each target's own place goes the way of the targets, in whatever order they are evaluated.
    targets = found.test.targets
    places = torch.arange(targets.numel()).view_as(targets).masked_fill(targets == IGNORED, IGNORED)
    split = Split(found.test.inputs, places)
    device = next(model.parameters()).device
    batches = kinds.get(reads.kind).evaluation(split, reads, recipe.evaluate.batch_size, device)
    warmth = config.get("temperature") or 1.0  # as a predictor has it
    parts = [((rows / warmth).softmax(1).cpu(), where.cpu()) for _, rows, where in over(model, batches, task)]
    probabilities, places = (torch.cat(part) for part in zip(*parts, strict=True))
    weight = bundle.name or bundle.folder.name
    return Verdicts(weight, config["input"], found, probabilities, targets.flatten()[places], places)
