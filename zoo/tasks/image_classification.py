"""Images in, one of several labels out."""

from __future__ import annotations

from zoo.tasks import Task
from zoo.tasks.classification import LOSSES, TOP, accuracy, answer

TASK = Task(
    name="image-classification",
    kind="image",
    losses=LOSSES,
    metrics={"accuracy": accuracy},
    answer=lambda outputs, raw, config: answer(outputs, config["labels"], config.get("top", TOP)),
)
