"""Series: the last value, repeated; one linear model of the past values for all channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.baselines import Given, Method
from zoo.kinds import series
from zoo.tasks import Task

WINDOWS = 20_000
"""The most windows, of all channels together, from which the linear model learns."""
PART = 256


def last(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    for seen, after in _windows(given):
        yield seen[:, -1:].expand_as(after), after


def linear(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    """Ridge regression of the next values on the past ones, both less the last past value (as NLinear, Zeng et al.
    2023, Are Transformers Effective for Time Series Forecasting?); its strength is chosen by leaving rows out."""
    from sklearn.linear_model import RidgeCV

    settings = given.input.settings
    learned = series.Windows(given.train, settings, torch.device("cpu"))
    count, most = len(learned.starts), max(1, WINDOWS // len(settings["channels"]))
    some = torch.arange(count) if count <= most else torch.linspace(0, count - 1, most).long()
    (seen,), after = learned.at(some)
    end = seen[:, -1:]
    model: Any = RidgeCV(alphas=[0.1, 1.0, 10.0, 100.0, 1000.0])
    model.fit(_rows(seen - end), _rows(after - end))
    for seen, after in _windows(given):
        found = torch.from_numpy(model.predict(_rows(seen - seen[:, -1:]))).float()
        count, _, channels = seen.shape
        yield found.view(count, channels, -1).transpose(1, 2) + seen[:, -1:], after


def _rows(windows: Tensor) -> Any:
    """(N, steps, C) -> (N * C, steps) for scikit-learn."""
    return windows.transpose(1, 2).flatten(0, 1).numpy()


def _windows(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    for (seen,), after in series.evaluation(given.held, given.input, PART, torch.device("cpu")):
        yield seen, after


def methods(task: Task) -> dict[str, Method]:
    return {"last value": Method(last), "linear": Method(linear)}
