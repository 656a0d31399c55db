"""One network for several tasks at once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from zoo.models.cnn import stages
from zoo.registry import register_model

MNIST_HEADS = {"digit": 10, "odd": 1, "thickness": 1}


@register_model(
    task="multi-task",
    init="kaiming_normal",
    description="One small CNN with a head each for the digit, whether it is odd, and how thick its strokes are",
    source="Kendall, Gal & Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh Losses, section 3.2",
    input_shape=(1, 28, 28),
)
class mnist_multitask(nn.Module):
    """Three conv-BatchNorm-ReLU stages, their means over all pixels and a hidden layer; a linear head for each task.

    All but the heads is shared (hard parameter sharing: Caruana 1997, Multitask Learning, section 2), so what one task
    needs is there for the others. The hidden layer is for thickness, a ratio of two sums over pixels, which no linear
    head can take of their means.

    Args:
        heads: name -> outputs, one head a task, in the order of the output's columns.

    Shapes: images (N, 1, H, W) of at least 4 x 4 pixels -> (N, sum of the heads' outputs).
    """

    def __init__(self, heads: Mapping[str, int] = MNIST_HEADS) -> None:
        super().__init__()
        self.body = stages(1, (32, 64, 128), depth=1)
        self.hidden = nn.Sequential(nn.Linear(128, 128), nn.ReLU(inplace=True))
        self.heads = nn.ModuleDict({name: nn.Linear(128, outputs) for name, outputs in heads.items()})

    def forward(self, x: Tensor) -> Tensor:
        x = self.hidden(self.body(x).mean((2, 3)))
        return torch.cat([head(x) for head in self.heads.values()], 1)
