"""Metrics of a model on a split: every sample once, in float32, without augmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo import tasks
from zoo.data import Split
from zoo.training.feed import evaluation_batches


def measure(
    model: nn.Module, split: Split, config: dict[str, Any], *, tokenizer: Path | None = None, batch_size: int = 500
) -> dict[str, float]:
    """The task's metrics of `model`, which is put into eval mode, over the whole of `split`.

    `config` is a bundle's config.json: its input transform and task are what counts. Metric -> value.
    """
    device = next(model.parameters()).device
    model.eval()
    outputs, targets = [], []
    with torch.inference_mode():
        for inputs, target in evaluation_batches(split, config, tokenizer, batch_size, device):
            outputs.append(model(*inputs).float().cpu())
            targets.append(target.cpu())
    logits, truth = torch.cat(outputs), torch.cat(targets)
    return {name: metric(logits, truth) for name, metric in tasks.get(config["task"]).metrics.items()}
