"""Further metrics, for a weight on the user's own data and for recipes that name one.

A task's own metrics are in every run's log; these are computed only if asked for. All take the outputs and targets of
a whole split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from zoo import tasks
from zoo.errors import ZooError
from zoo.parts import METRICS, Measure
from zoo.tasks import Metric, Task, share


@dataclass(frozen=True)
class OfClass:
    """How a classifier treats one class: its number of rows, and precision, recall and F1 as fractions in 0..1.

    Precision is 0 if no row is predicted as the class, recall is 0 if no row has the class.
    """

    label: str
    count: int
    precision: float
    recall: float
    f1: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def of_classes(logits: Tensor, targets: Tensor, labels: list[str]) -> list[OfClass]:
    """Logits (N, K), targets (N,) and the K labels -> one row a class."""
    count = logits.shape[1]
    called, truth = F.one_hot(logits.argmax(1), count).double(), F.one_hot(targets, count).double()
    hits, as_called, there = (called * truth).sum(0), called.sum(0), truth.sum(0)
    precision, recall = hits / as_called.clamp(min=1), hits / there.clamp(min=1)
    f1 = 2 * hits / (as_called + there).clamp(min=1)
    rows = zip(labels, there.tolist(), precision.tolist(), recall.tolist(), f1.tolist(), strict=True)
    return [OfClass(label, int(n), *figures) for label, n, *figures in rows]


def _mean(name: str, logits: Tensor, targets: Tensor) -> float:
    """The mean over the classes that have a row."""
    rows = of_classes(logits, targets, [""] * logits.shape[1])
    met = [getattr(row, name) for row in rows if row.count]
    return sum(met) / len(met)


def balanced_accuracy(logits: Tensor, targets: Tensor) -> float:
    """The mean over the classes of the share of their rows that are predicted right."""
    return _mean("recall", logits, targets)


def precision(logits: Tensor, targets: Tensor) -> float:
    """Macro precision: the mean over the classes of the share of right answers among the rows predicted as the
    class."""
    return _mean("precision", logits, targets)


def recall(logits: Tensor, targets: Tensor) -> float:
    """Macro recall, which is the balanced accuracy."""
    return _mean("recall", logits, targets)


def f1(logits: Tensor, targets: Tensor) -> float:
    """Macro F1: the mean over the classes of the harmonic mean of precision and recall."""
    return _mean("f1", logits, targets)


def top5_accuracy(logits: Tensor, targets: Tensor) -> float:
    """The share of rows whose class is among the five of the largest logits."""
    best = logits.topk(min(5, logits.shape[1]), dim=1).indices
    return (best == targets.unsqueeze(1)).any(1).double().mean().item()


def log_loss(logits: Tensor, targets: Tensor) -> float:
    """The mean of -ln p of the true class."""
    return F.cross_entropy(logits.double(), targets).item()


def r2(outputs: Tensor, targets: Tensor) -> float:
    """The share of the targets' variance that the outputs explain: 1 - squared error / variance; NaN without any."""
    outputs, targets = outputs.double().view_as(targets), targets.double()
    spread = (targets - targets.mean()).square().sum()
    return (1 - (outputs - targets).square().sum() / spread).item() if spread > 0 else float("nan")


CLASSES: dict[str, Metric] = {
    "balanced_accuracy": share(balanced_accuracy),
    "precision": share(precision),
    "recall": share(recall),
    "f1": share(f1),
    "top5_accuracy": share(top5_accuracy),
    "log_loss": Metric(log_loss),
}
NUMBERS: dict[str, Metric] = {"r2": share(r2)}


def own(task: Task, settings: Mapping[str, Any]) -> Mapping[str, Metric]:
    """A task's own metrics, those of every run's log. `settings` is `input` of config.json, which describes several
    targets (`tasks`) if there are any."""
    targets = settings.get("tasks")
    return {**task.of_targets(targets), **task.metrics} if targets else task.metrics


def of(task: Task, settings: Mapping[str, Any]) -> Mapping[str, Metric]:
    """All metrics of a task, its own first."""
    outside = {name: _of_a_plug_in(found) for name, found in METRICS.items() if found.is_for(task.name)}
    return {**own(task, settings), **task.further, **outside}


def find(task: str, metric: str) -> Metric:
    """The metric of that name in any task: its direction and its unit. A figure that no task knows is shown as it is,
    and lower is better."""
    if (outside := METRICS.outside(metric)) is not None:
        return _of_a_plug_in(outside)
    if task not in tasks.TASK_TABLE:
        return Metric(_unknown)
    known = tasks.get(task)
    each = (one for end, one in known.of_each.items() if metric.endswith(f"_{end}"))
    return {**known.metrics, **known.further}.get(metric) or next(each, Metric(_unknown))


def _of_a_plug_in(found: Measure) -> Metric:
    return Metric(found.function, found.more_is_better, found.unit)


def _unknown(outputs: Tensor, targets: Tensor) -> float:
    raise ZooError("nothing here can compute this metric; install the package that brings it, or name another.")


def spread(metric: Metric, figure: Mapping[str, Any]) -> str:
    """Mean and standard deviation of a metric's figures, the mean alone if there was one seed."""
    mean = figure.get("mean", figure.get("value"))
    if mean is None:
        return "not measured"
    alone = figure.get("n", 1) < 2 or figure.get("std") is None
    return metric.show(mean) if alone else f"{metric.show(mean)} ± {metric.show(figure['std'])}"
