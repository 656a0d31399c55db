"""A row of a table in, one of several labels out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from zoo.tasks import Task, share
from zoo.tasks.classification import ACCURACY, LABELLED


def roc_auc(logits: Tensor, targets: Tensor) -> float:
    """The share of pairs of rows, one of the class and one not, in which the one of it has the higher probability.

    With two classes it is that of the second; with more, the mean over the classes. NaN if a class has no row, as in
    a small batch. Shapes: logits (N, K), targets (N,) -> 0..1.
    """
    from sklearn.metrics import roc_auc_score

    return _score(roc_auc_score, logits, targets)


def average_precision(logits: Tensor, targets: Tensor) -> float:
    """The average precision: precision averaged over all recalls; otherwise like `roc_auc`.

    If the class is rare it says more than `roc_auc`: guessing scores the share of the class, not 0.5.
    """
    from sklearn.metrics import average_precision_score

    return _score(average_precision_score, logits, targets)


def _score(function: Callable[..., Any], logits: Tensor, targets: Tensor) -> float:
    logits, truth = logits.cpu().double(), F.one_hot(targets, logits.shape[1]).cpu()
    if not truth.any(0).all():
        return math.nan
    if logits.shape[1] == 2:  # by the difference of the logits, because probabilities near 1 would become equal
        return float(function(truth[:, 1].numpy(), (logits[:, 1] - logits[:, 0]).numpy()))
    return float(function(truth.numpy(), logits.softmax(1).numpy()))


TASK = Task(
    name="tabular-classification",
    kind="table",
    metrics={"roc_auc": share(roc_auc), "average_precision": share(average_precision), "accuracy": ACCURACY},
    pictures=("curves", "confusion"),
    **LABELLED,
)
