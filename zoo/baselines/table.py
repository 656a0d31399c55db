"""Tables: the most frequent class or the mean; a linear model; gradient boosting (scikit-learn's histograms)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.baselines import Given, Method
from zoo.baselines.linear import logistic, majority, scores, weights
from zoo.data import table as tables
from zoo.data.split import Split
from zoo.tasks import Task

PART = 50_000
LEVELS = 255
"""scikit-learn's boosting takes no more categories than this; a column with more is read as numbers."""


def linear(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    """On the model's own inputs: standardised numbers, a mark for a blank, a column for each category."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import OneHotEncoder

    features, truth = _features(given.train, given), given.train.targets
    first, every = 2 * len(given.input.settings["numbers"]), features.shape[1]
    parts: list[Any] = [("numbers", "passthrough", slice(0, first))]
    if every > first:
        parts.append(("codes", OneHotEncoder(handle_unknown="ignore"), slice(first, every)))
    columns = ColumnTransformer(parts, sparse_threshold=1.0)
    learned: Any = columns.fit_transform(features)
    if truth.is_floating_point():
        model: Any = Ridge(alpha=1.0).fit(learned, truth.numpy(), weights(given))
    else:
        model = logistic(learned, given)
    for part in _parts(given.held):
        found: Any = columns.transform(_features(part, given))
        if truth.is_floating_point():
            yield torch.from_numpy(model.predict(found)).float().unsqueeze(1), part.targets
        else:
            yield scores(model, found, len(given.labels)), part.targets


def boosting(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    from sklearn import ensemble

    truth = given.train.targets
    settings = given.input.settings
    known = [len(levels) for levels in settings["categories"].values()]
    chosen: Any = [False] * len(settings["numbers"]) + [0 < count < LEVELS for count in known]
    kind = (
        ensemble.HistGradientBoostingRegressor if truth.is_floating_point() else ensemble.HistGradientBoostingClassifier
    )
    model = kind(categorical_features=chosen, random_state=0)
    model.fit(given.train.inputs.numpy(), truth.numpy(), weights(given))
    for part in _parts(given.held):
        found = part.inputs.numpy()
        if truth.is_floating_point():
            yield torch.from_numpy(model.predict(found)).float().unsqueeze(1), part.targets
        else:
            yield scores(model, found, len(given.labels)), part.targets


def _features(part: Split, given: Given) -> Any:
    """(N, F) numbers with 0 for a blank, a mark for each, and the codes of the categories."""
    numbers, codes = tables.normalize(part.inputs, given.input.settings)
    return torch.cat([numbers.nan_to_num(0), numbers.isnan().float(), codes.float()], 1).numpy()


def _parts(split: Split) -> Iterator[Split]:
    for start in range(0, len(split), PART):
        yield Split(split.inputs[start : start + PART], split.targets[start : start + PART])


def methods(task: Task) -> dict[str, Method]:
    first = "majority" if task.classes else "the mean"
    return {first: Method(majority), "linear": Method(linear, 20_000), "gradient boosting": Method(boosting, 50_000)}
