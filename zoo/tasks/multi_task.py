"""Images in, several answers out, one for each task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from zoo import display
from zoo.nn import MultiTaskLoss
from zoo.tasks import Metric, Task
from zoo.tasks.classification import ACCURACY
from zoo.tasks.regression import rmse


@dataclass(frozen=True)
class Several:
    """The answers of the tasks, by name.

    `answer`: the class's number for a classification, true or false for a binary task, the number for a regression,
    in its target's unit. `probability`: that of the answer, for the tasks that have one.

        >>> zoo.Several({"digit": 3, "odd": True}, {"digit": 0.9, "odd": 0.8}).to_dict()
        {'answer': {'digit': 3, 'odd': True}, 'probability': {'digit': 0.9, 'odd': 0.8}}
    """

    answer: dict[str, int | bool | float]
    probability: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"answer": self.answer, "probability": self.probability}

    def _repr_html_(self) -> str:
        told = {name: display.written(value) for name, value in self.answer.items()}
        sure = {name: f" ({100 * share:.1f} %)" for name, share in self.probability.items()}
        return display.markup("Answers", {name: text + sure.get(name, "") for name, text in told.items()})


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


def metrics(targets: Mapping[str, Mapping[str, Any]]) -> dict[str, Metric]:
    """The metrics of the targets that the data describe, in their order: accuracy, or for a regression the root of
    the mean squared error; and the sum of their losses."""
    return {
        **{
            f"{name}_{MEASURES[about['kind']]}": replace(
                EACH[MEASURES[about["kind"]]], function=_measure(name, targets)
            )
            for name, about in targets.items()
        },
        # Unweighted: this is what training with equal weights minimises, so it judges other weightings fairly.
        "sum_of_losses": Metric(lambda outputs, truth: float(MultiTaskLoss(targets, "equal")(outputs, truth))),
    }


def _measure(name: str, targets: Mapping[str, Mapping[str, Any]]) -> Callable[[Tensor, Tensor], float]:
    kind, column = targets[name]["kind"], list(targets).index(name)

    def measure(outputs: Tensor, truths: Tensor) -> float:
        part, truth = columns(outputs, targets)[name], truths[:, column]
        if kind == "binary":
            return int(((part[:, 0] > 0) == (truth > 0)).sum()) / len(truth)
        return EACH[MEASURES[kind]](part, truth)

    return measure


EACH: dict[str, Metric] = {"accuracy": ACCURACY, "rmse": Metric(rmse)}
MEASURES: dict[str, str] = {"classification": "accuracy", "binary": "accuracy", "regression": "rmse"}
"""Kind of a target -> its metric."""

TASK = Task(
    name="multi-task",
    kind="image",
    losses=("multi_task",),
    metrics={},
    labelled=False,
    several=True,
    of_targets=metrics,
    of_each=EACH,
    hub="image-classification",
    pipeline=False,
    pictures=("features", "curves", "filters"),
    exports=("logits",),
    answer=lambda outputs, raw, config: answer(outputs, config["input"]["tasks"]),
)
