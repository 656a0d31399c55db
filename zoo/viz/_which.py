"""Which task has which picture."""

from __future__ import annotations

import os

from zoo.errors import ZooError
from zoo.tasks import Task


def check(name: str | os.PathLike[str], task: Task, what: str) -> None:
    """Raise `ZooError` if the task of the weight called `name` does not have this picture."""
    if what not in task.pictures:
        raise ZooError(f"{name} is for {task.name}, which has no {what}; choose {', '.join(task.pictures)}.")
