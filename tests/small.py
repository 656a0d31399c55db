"""A recipe that trains in a second, for tests of what surrounds a training."""

from __future__ import annotations

from typing import Any

RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [16]},
    "init": "kaiming_normal",
    "data": {"name": "digits", "batch_size": 128},
    "optimizer": {"name": "adamw", "lr": 0.003},
    "train": {"epochs": 2},
}
