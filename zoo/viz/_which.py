"""Which task has which picture."""

from __future__ import annotations

import os

from zoo.errors import ZooError

_IMAGES = ("image-classification", "metric-learning", "multi-task")
_CLASSIFIERS = ("image-classification", "text-classification", "token-classification", "tabular-classification")
TASKS: dict[str, tuple[str, ...]] = {
    "forecast": ("forecasting",),
    "neighbours": ("metric-learning",),
    "features": _IMAGES,
    "attention": ("text-classification",),
    "curves": (),
    "filters": _IMAGES,
    "confusion": _CLASSIFIERS,
    "mistakes": _CLASSIFIERS[:3],
}
"""Picture -> the tasks that have it, all where none is named; in the order in which a task's own is looked for."""


def pictures(task: str) -> list[str]:
    """The pictures that a task has."""
    return [what for what, tasks in TASKS.items() if not tasks or task in tasks]


def check(name: str | os.PathLike[str], task: str, what: str) -> None:
    """Raise `ZooError` where the task of the weight called `name` does not have this picture."""
    if what not in pictures(task):
        raise ZooError(f"{name} is for {task}, which has no {what}; choose {', '.join(pictures(task))}.")
