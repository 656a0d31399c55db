"""A classifier's answers on its recipe's test split, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.data import DataSet, Split
from zoo.data.split import IGNORED
from zoo.viz._which import predictor_of

if TYPE_CHECKING:
    from zoo.viz._which import Weight


@dataclass(frozen=True)
class Verdicts:
    """Probabilities (R, K), the truth (R,), and each row's place among the test split's flat targets (R,).

    A row is an image, a text or the row of a table; or a word, if each word has its own target. `input` is the
    bundle's input transform.
    """

    weight: str
    input: dict[str, Any]
    data: DataSet
    probabilities: Tensor
    truth: Tensor
    places: Tensor


def verdicts(name: Weight, what: str) -> Verdicts:
    """Classify the test split of a weight's or a run's recipe; the data set is fetched if it is not at hand.

    Raises `ZooError` for a weight whose task does not have the picture `what`.
    """
    from zoo.opened import Opened
    from zoo.training.measure import over

    read = predictor_of(name, what)
    opened = Opened(read.bundle)
    found = opened.data
    # Each target's place takes the same way as the targets, whatever the order of evaluation.
    targets = found.test.targets
    places = torch.arange(targets.numel()).view_as(targets).masked_fill(targets == IGNORED, IGNORED)
    split = Split(found.test.inputs, places)
    device = next(read.model.parameters()).device
    batches = read.kind.evaluation(split, read.reads, opened.recipe.evaluate.batch_size, device)
    warmth = read.config.get("temperature") or 1.0  # as in a predictor
    parts = [((rows / warmth).softmax(1).cpu(), where.cpu()) for _, rows, where in over(read.model, batches, read.task)]
    probabilities, places = (torch.cat(part) for part in zip(*parts, strict=True))
    weight = str(read.record.weight)
    return Verdicts(weight, read.input, found, probabilities, targets.flatten()[places], places)
