"""A model's outputs for every sample of a split, and their metrics: in float32, without augmentation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import ZooError
from zoo.kinds.feed import Batches, Inputs
from zoo.tasks import Metric, Task, measures
from zoo.training.machine import memory


def over(model: nn.Module, batches: Batches, task: Task) -> Iterator[tuple[Inputs, Tensor, Tensor]]:
    """Each batch's inputs, and the rows that metrics are taken over: outputs (R, …) in float32 and targets (R, …).

    The model is put into eval mode, and no gradient is kept. Raises `ZooError` if memory runs out.
    """
    device = next(model.parameters()).device
    model.eval()
    told, feed = f"out of memory on {device} with evaluate.batch_size {batches.size}; lower it.", iter(batches)
    with memory.kept() as trim:
        while True:
            # Not around the yield: between batches the mode is the caller's.
            with memory.enough(lambda: told), torch.inference_mode():
                batch = next(feed, None)
                if batch is None:
                    return
                outputs, truth = task.rows(model(*batch[0]), batch[1])
                outputs = outputs.float()
            yield batch[0], outputs, truth
            trim()


def outputs_of(model: nn.Module, batches: Batches, task: Task) -> tuple[Tensor, Tensor]:
    """(outputs, targets) of the rows that metrics are taken over, on the CPU and in float32."""
    outputs, targets = [], []
    for _, rows, truth in over(model, batches, task):
        outputs.append(rows.cpu())
        targets.append(truth.cpu())
    return torch.cat(outputs), torch.cat(targets)


def measure(model: nn.Module, batches: Batches, task: Task, metrics: Mapping[str, Metric]) -> dict[str, float]:
    """The metrics of `model` over all batches: metric -> value. Raises `ZooError` if memory runs out."""
    everything, truth = outputs_of(model, batches, task)
    return {name: metric(everything, truth) for name, metric in metrics.items()}


def of_run(task: Task, settings: Mapping[str, Any], asked: str) -> dict[str, Metric]:
    """The metrics of a run: its task's own, and the one that its recipe names; `settings` is `input` of
    config.json."""
    return {**measures.own(task, settings), asked: measures.of(task, settings)[asked]}


def computed(values: dict[str, float], asked: str, where: str) -> tuple[dict[str, float], list[str]]:
    """The metrics that are numbers, and a sentence for each that could not be computed.

    Raises `ZooError` if `asked` is among the latter. `where` names the measured data in messages.
    """
    wrong = {name: value for name, value in values.items() if not math.isfinite(value)}
    if asked in wrong:
        raise ZooError(
            f"{asked} of {where} cannot be computed (it is {wrong[asked]}): for example, an area under a curve needs "
            "rows of each class; give data that it can be computed on, or choose another evaluate.metric."
        )
    notes = [f"{name} of {where} could not be computed (it was {value})." for name, value in wrong.items()]
    return {name: value for name, value in values.items() if name not in wrong}, notes
