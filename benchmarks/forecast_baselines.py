"""What two plain methods reach on ETTh1: the figures that stand beside `gru_forecast.etth1` on its card.

The last value, repeated; and a linear layer from the window to the forecast, one for all channels, under the same
reversible normalisation as the model's. Its squared error in standardised units is that of the window less its mean
(the window's deviation cancels), so least squares gives the best such layer at once. Its two knobs, the context and the
ridge, are chosen on the validation months; the test months are read once, at the end, on the windows that the model is
measured on.

    python benchmarks/forecast_baselines.py

prints one JSON document, {NAME: {"value": MSE, ...}}, which `zoo publish --baselines` takes.
"""

from __future__ import annotations

import json
import time

import torch
from torch import Tensor

from zoo import data
from zoo.data import DataSet, Split
from zoo.kinds.series import Windows
from zoo.recipes import load_recipe
from zoo.tasks.forecasting import mse

CONTEXTS = (96, 192, 336, 512, 720)
RIDGES = (0.0, 1e2, 1e3, 1e4)  # beside sums of squares over 57,000 windows of variance 1
HORIZON = load_recipe("gru_forecast.etth1").data.series.horizon


def windows(data: DataSet, split: Split, context: int) -> tuple[Tensor, Tensor]:
    """Standardised contexts (N, context, C) and what followed (N, horizon, C), in float64."""
    rows = data.train.inputs
    assert isinstance(rows, Tensor)
    rows = rows.double()
    input = {
        "context": context,
        "horizon": HORIZON,
        "mean": rows.mean(0).tolist(),
        "std": rows.std(0, correction=0).tolist(),
    }
    found = Windows(split, input, torch.device("cpu"))
    (past,), future = found.at(torch.arange(len(found.starts)))
    return past.double(), future.double()


def linear(past: Tensor, future: Tensor, ridge: float) -> Tensor:
    """The least-squares layer (context, horizon) over all windows and channels."""
    mean = past.mean(1, keepdim=True)
    x, y = ((rows - mean).transpose(1, 2).flatten(0, 1) for rows in (past, future))
    # The window's mean is taken off, so one direction of x is empty; the pseudo-inverse leaves it alone.
    return torch.linalg.pinv(x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype), hermitian=True) @ (x.T @ y)


def error(layer: Tensor, past: Tensor, future: Tensor) -> float:
    mean = past.mean(1, keepdim=True)
    return mse(((past - mean).transpose(1, 2) @ layer).transpose(1, 2) + mean, future)


def main() -> None:
    began = time.perf_counter()
    series = data.load("etth1")
    assert series.validation is not None
    validation = {}
    for context in CONTEXTS:
        trained, held = windows(series, series.train, context), windows(series, series.validation, context)
        validation |= {(context, ridge): error(linear(*trained, ridge), *held) for ridge in RIDGES}
    context, ridge = min(validation, key=lambda settings: validation[settings])
    layer = linear(*windows(series, series.train, context), ridge)
    past, future = windows(series, series.test, context)
    result = {
        "last value": {"value": mse(past[:, -1:], future)},
        "linear layer": {
            "value": error(layer, past, future),
            "context": context,
            "ridge": ridge,
            "validation": {f"context {c}, ridge {r:g}": value for (c, r), value in validation.items()},
            "seconds": round(time.perf_counter() - began, 1),
        },
    }
    command = {"command": "python benchmarks/forecast_baselines.py"}
    print(json.dumps({name: {**measured, **command} for name, measured in result.items()}, indent=2))


if __name__ == "__main__":
    main()
