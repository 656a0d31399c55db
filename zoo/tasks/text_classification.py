"""Texts in, one of several labels out."""

from __future__ import annotations

from zoo.tasks import Task
from zoo.tasks.classification import ACCURACY, LABELLED

TASK = Task(
    name="text-classification",
    kind="text",
    metrics={"accuracy": ACCURACY},
    pictures=("attention", "curves", "confusion", "mistakes"),
    **LABELLED,
)
