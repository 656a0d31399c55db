"""Metrics of a model on a split: every sample once, in float32, without augmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo import kinds, tasks
from zoo.data import Split
from zoo.training.machine import memory


def measure(
    model: nn.Module, split: Split, config: dict[str, Any], *, tokenizer: Path | None = None, batch_size: int = 500
) -> dict[str, float]:
    """The task's metrics of `model`, which is put into eval mode, over the whole of `split`.

    `config` is a bundle's config.json: its input transform and task are what counts. Metric -> value.
    Raises `ZooError` where memory runs out.
    """
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
    everything, truth = torch.cat(outputs), torch.cat(targets)
    return {name: metric(everything, truth) for name, metric in task.metrics.items()}
