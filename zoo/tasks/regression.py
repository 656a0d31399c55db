"""A row of a table in, a number out."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo import display
from zoo.tasks import Metric, Task
from zoo.tasks.measures import NUMBERS


@dataclass(frozen=True)
class Value:
    """A regression's answer: a number, in `unit`.

    >>> zoo.Value(12.5, "years").to_dict()
    {'answer': 12.5, 'unit': 'years'}
    """

    value: float
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the number is called `answer` there."""
        return {"answer": self.value, "unit": self.unit}

    def _repr_html_(self) -> str:
        return f"<b>{display.written(self.value)}</b> {html.escape(self.unit)}"


def answer(outputs: Tensor, raw: list[Any], config: dict[str, Any]) -> list[Value]:
    """Outputs (N, 1) -> N answers."""
    return [Value(value, config["input"]["unit"]) for value in outputs.float().flatten().tolist()]


def rmse(outputs: Tensor, targets: Tensor) -> float:
    """The root of the mean squared error, in the targets' unit: outputs (N, 1), targets (N,)."""
    return _errors(outputs, targets).square().mean().sqrt().item()


def mae(outputs: Tensor, targets: Tensor) -> float:
    """The mean absolute error, in the targets' unit: outputs (N, 1), targets (N,)."""
    return _errors(outputs, targets).abs().mean().item()


def _errors(outputs: Tensor, targets: Tensor) -> Tensor:
    """Outputs less targets, in float32, as not every device has more; reshaped, as (N, 1) - (N,) would give all
    pairs."""
    return outputs.view_as(targets) - targets


TASK = Task(
    name="regression",
    kind="table",
    losses=("mse", "mae", "huber"),
    metrics={"rmse": Metric(rmse), "mae": Metric(mae)},
    further=NUMBERS,
    hub="tabular-regression",
    exports=("value",),
    answer=answer,
)
