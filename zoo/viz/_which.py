"""The weight to draw: given by its name or by its predictor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo._predictor import Predictor
    from zoo.tasks import Task

    Weight = str | os.PathLike[str] | Predictor[Any]


def predictor_of(weight: Weight, what: str) -> Predictor[Any]:
    """The predictor itself, or that of the weight with this name. Raises `ZooError` if its task does not have the
    picture `what`, and as `zoo.predictor` does."""
    from zoo._predictor import Predictor, predictor

    read = weight if isinstance(weight, Predictor) else predictor(weight)
    check(name_of(weight), read.task, what)
    return read


def name_of(weight: Weight) -> str:
    """The weight's name in messages: as the caller gave it."""
    return os.fspath(weight) if isinstance(weight, (str, os.PathLike)) else str(weight.record.weight)


def check(name: str, task: Task, what: str) -> None:
    """Raise `ZooError` if the task of the weight called `name` does not have this picture."""
    if what not in task.pictures:
        raise ZooError(f"{name} is for {task.name}, which has no {what}; choose {', '.join(task.pictures)}.")
