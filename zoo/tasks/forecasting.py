"""Series in, their next rows out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo import display
from zoo.data import series
from zoo.tasks import Metric, Task


@dataclass(frozen=True, eq=False)
class Forecast:
    """The rows that follow a series: `answer` (horizon, C) float32 in its own units; `channels` names the C.

    >>> ahead = zoo.predictor("gru_forecast")(numpy.zeros((384, 7), "float32"))
    >>> ahead.answer.shape, ahead.channels[-1]
    (torch.Size([96, 7]), 'OT')
    """

    channels: list[str]
    answer: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: for each channel its values in the order of time, to six digits."""
        columns = self.answer.T.tolist()
        rounded = [[float(f"{value:.6g}") for value in column] for column in columns]
        return {"answer": dict(zip(self.channels, rounded, strict=True))}

    def _repr_html_(self) -> str:
        return display.answer(f"Forecast of {len(self.answer)} steps", self.to_dict()["answer"])


def answer(outputs: Tensor, raw: list[Any], config: dict[str, Any]) -> list[Forecast]:
    """Standardised forecasts (N, horizon, C) -> the N answers in the units of the input."""
    restored = series.restore(outputs.float().cpu(), config["input"])
    return [Forecast(list(config["input"]["channels"]), rows) for rows in restored]


def mse(outputs: Tensor, targets: Tensor) -> float:
    """The mean squared error over all numbers of all rows."""
    return float((outputs - targets).double().square().mean())


def mae(outputs: Tensor, targets: Tensor) -> float:
    """The mean absolute error over all numbers of all rows."""
    return float((outputs - targets).double().abs().mean())


TASK = Task(
    name="forecasting",
    kind="series",
    losses=("mse", "mae", "huber"),
    metrics={"mse": Metric(mse, is_mean=True), "mae": Metric(mae, is_mean=True)},
    hub="time-series-forecasting",
    pictures=("forecast", "curves"),
    exports=("forecast",),
    answer=answer,
)
