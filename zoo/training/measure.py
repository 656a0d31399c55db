"""Metrics of a model on a split: every sample once, in float32, without augmentation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import kinds, tasks
from zoo.data import Split
from zoo.errors import ZooError
from zoo.tasks import measures
from zoo.training.machine import memory


def measure(
    model: nn.Module,
    split: Split,
    config: dict[str, Any],
    *,
    tokenizer: Path | None = None,
    batch_size: int = 500,
    asked: str = "",
) -> dict[str, float]:
    """The task's metrics of `model`, which is put into eval mode, over the whole of `split`; the one `asked` for too.

    `config` is a bundle's config.json: its input transform and task are what counts. Metric -> value.
    Raises `ZooError` where memory runs out.
    """
    task = tasks.get(config["task"])
    everything, truth = outputs_of(model, split, config, tokenizer=tokenizer, batch_size=batch_size)
    more = {} if asked in ("", *task.metrics) else {asked: measures.of(task)[asked]}
    return {name: metric(everything, truth) for name, metric in {**task.metrics, **more}.items()}


def outputs_of(
    model: nn.Module, split: Split, config: dict[str, Any], *, tokenizer: Path | None = None, batch_size: int = 500
) -> tuple[Tensor, Tensor]:
    """(outputs, targets) of the rows that metrics are taken over, on the CPU and in float32."""
    device = next(model.parameters()).device
    task, kind = tasks.get(config["task"]), kinds.get(config["input"]["kind"])
    model.eval()
    outputs, targets = [], []
    told = f"out of memory on {device} with evaluate.batch_size {batch_size}; lower it."
    with memory.kept() as trim, memory.enough(lambda: told), torch.inference_mode():
        for inputs, truth in kind.evaluation(split, config, tokenizer, batch_size, device):
            rows, of_rows = task.rows(model(*inputs), truth)
            outputs.append(rows.float().cpu())
            targets.append(of_rows.cpu())
            trim()
    return torch.cat(outputs), torch.cat(targets)


def computed(values: dict[str, float], asked: str, where: str) -> tuple[dict[str, float], list[str]]:
    """The metrics that are numbers, and a sentence for each that could not be computed.

    Raises `ZooError` if that is the metric `asked` for. `where` is what was measured, for the messages.
    """
    wrong = {name: value for name, value in values.items() if not math.isfinite(value)}
    if asked in wrong:
        raise ZooError(
            f"{asked} of {where} cannot be computed (it is {wrong[asked]}): such as an area under a curve where one "
            "class has no row; give data that it can be computed on, or choose another evaluate.metric."
        )
    notes = [f"{name} of {where} could not be computed (it was {value})." for name, value in wrong.items()]
    return {name: value for name, value in values.items() if name not in wrong}, notes
