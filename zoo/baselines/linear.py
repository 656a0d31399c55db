"""Shared by the plain methods: the most frequent class or the mean, and linear models of features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.baselines import Given

NEVER = -30.0
"""The score of a class that a method never saw: a probability of 1e-13, not a logarithm of 0."""


def majority(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    """The share of each class in the training part; for numbers their mean."""
    truth = given.train.targets
    if truth.is_floating_point():
        outputs = truth.double().mean().float().expand(len(given.held), 1)
    else:
        counts = torch.bincount(truth, minlength=len(given.labels)).float()
        outputs = (counts / counts.sum()).log().clamp(min=NEVER).expand(len(given.held), -1)
    yield outputs, given.held.targets


def scores(model: Any, features: Any, classes: int) -> Tensor:
    """The outputs of a fitted scikit-learn classifier for rows: the logarithm of each class's probability, (N, K)."""
    found = torch.full((features.shape[0], classes), NEVER)
    shares = torch.from_numpy(model.predict_proba(features)).float()
    found[:, torch.as_tensor(model.classes_)] = shares.log().clamp(min=NEVER)
    return found


def logistic(train: Any, given: Given, *, strength: float = 1.0) -> Any:
    """A fitted logistic regression of features (N, F), numpy or sparse, on the training targets."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=200).fit(train, given.train.targets.numpy(), weights(given))


def weights(given: Given) -> Any:
    """How much each training row counts, for scikit-learn."""
    return None if given.train.weights is None else given.train.weights.numpy()
