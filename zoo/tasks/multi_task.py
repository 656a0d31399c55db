"""Images in, several answers out, one a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo.data.mnist_tasks import TASKS
from zoo.nn import MultiTaskLoss
from zoo.tasks import Task
from zoo.tasks.classification import accuracy
from zoo.tasks.regression import rmse


@dataclass(frozen=True)
class Several:
    """What each task answers, by its name.

    `answer`: the class's number of a classification, true or false of a binary task, the number of a regression in its
    target's unit. `probability`: of that class, or that truth, by the names of the tasks that have one.
    """

    answer: dict[str, int | bool | float]
    probability: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"answer": self.answer, "probability": self.probability}


def answer(outputs: Tensor, tasks: Mapping[str, Mapping[str, Any]]) -> list[Several]:
    """Outputs (N, sum of the tasks' outputs) of any float dtype -> N answers."""
    parts = columns(outputs.float(), tasks)
    answers = []
    for row in range(len(outputs)):
        values: dict[str, int | bool | float] = {}
        probabilities: dict[str, float] = {}
        for name, task in tasks.items():
            part = parts[name][row]
            if task["kind"] == "classification":
                best = part.softmax(0).max(0)
                values[name], probabilities[name] = int(best.indices), float(best.values)
            elif task["kind"] == "binary":
                values[name], probabilities[name] = bool(part > 0), float(part.abs().sigmoid())
            else:
                values[name] = float(part)
        answers.append(Several(values, probabilities))
    return answers


def columns(outputs: Tensor, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor]:
    """Outputs (N, sum of the tasks' outputs) -> name of a task -> its (N, outputs)."""
    return dict(zip(tasks, outputs.split([task["outputs"] for task in tasks.values()], 1), strict=True))


def metric(name: str) -> Callable[[Tensor, Tensor], float]:
    """The metric of a task of `TASKS`: accuracy, or the root of the mean squared error of a regression."""
    kind, column = TASKS[name]["kind"], list(TASKS).index(name)

    def measure(outputs: Tensor, targets: Tensor) -> float:
        part, truth = columns(outputs, TASKS)[name], targets[:, column]
        if kind == "classification":
            return accuracy(part, truth)
        if kind == "binary":
            return int(((part[:, 0] > 0) == (truth > 0)).sum()) / len(truth)
        return rmse(part, truth)

    return measure


def sum_of_losses(outputs: Tensor, targets: Tensor) -> float:
    """The tasks' losses added up unweighted: what training with equal weights minimises, so a fair judge of others."""
    return float(MultiTaskLoss(TASKS, "equal")(outputs, targets))


TASK = Task(
    name="multi-task",
    kind="image",
    losses=("multi_task",),
    metrics={
        "digit_accuracy": metric("digit"),
        "odd_accuracy": metric("odd"),
        "thickness_rmse": metric("thickness"),
        "sum_of_losses": sum_of_losses,
    },
    answer=lambda outputs, raw, config: answer(outputs, config["input"]["tasks"]),
)
