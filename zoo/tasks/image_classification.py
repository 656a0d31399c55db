"""Images in, one of several labels out."""

from __future__ import annotations

from zoo.tasks import Task
from zoo.tasks.classification import ACCURACY, LABELLED

TASK = Task(
    name="image-classification",
    kind="image",
    metrics={"accuracy": ACCURACY},
    pictures=("features", "curves", "filters", "confusion", "mistakes"),
    **LABELLED,
)
