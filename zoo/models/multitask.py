"""One network for several tasks at once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from zoo.models.cnn import stages
from zoo.nn.head import WithHead
from zoo.registry import register_model

MNIST_HEADS = {"digit": 10, "odd": 1, "thickness": 1}


@register_model(
    task="multi-task",
    init="kaiming_normal",
    description="One small CNN with a head each for the digit, whether it is odd, and how thick its strokes are",
    source="Kendall, Gal & Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh Losses, section 3.2",
    input_shape=(1, 28, 28),
)
class mnist_multitask(WithHead):
    """Three conv-BatchNorm-ReLU stages, their means over all pixels and a hidden layer; a linear head for each task.

    All but the heads is shared (hard parameter sharing: Caruana 1997, Multitask Learning, section 2), so what one task
    needs is there for the others. The hidden layer is for thickness, a ratio of two sums over pixels, which no linear
    head can take of their means.

    Args:
        heads: name -> outputs, one head a task, in the order of the output's columns.
        in_chans: channels of the images.

    Shapes: images (N, in_chans, H, W) of at least 4 x 4 pixels -> (N, sum of the heads' outputs). The features are what
    the hidden layer gives (N, 128).
    """

    def __init__(self, heads: Mapping[str, int] = MNIST_HEADS, in_chans: int = 1) -> None:
        super().__init__()
        self.body: nn.Sequential = stages(in_chans, (32, 64, 128), depth=1)
        self.hidden: nn.Sequential = nn.Sequential(nn.Linear(128, 128), nn.ReLU(inplace=True))
        self.num_features = 128
        self.heads = nn.ModuleDict({name: nn.Linear(128, outputs) for name, outputs in heads.items()})

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        return self.hidden(self.body(x).mean((2, 3)))

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        if pre_logits or not self.heads:
            return features
        return torch.cat([head(features) for head in self.heads.values()], 1)

    def get_classifier(self) -> nn.ModuleDict:
        """The heads by the names of their tasks; empty in a model without a head."""
        return self.heads

    def reset_classifier(self, num_classes: int | Mapping[str, int]) -> None:
        """Replace all heads by fresh ones: name -> outputs, or a number for one head; 0 leaves the heads out."""
        if isinstance(num_classes, int):
            num_classes = {"head": num_classes} if num_classes else {}
        heads = nn.ModuleDict({name: nn.Linear(128, outputs) for name, outputs in num_classes.items()})
        self.heads: nn.ModuleDict = self._like_us(heads)
        self._forget_labels(sum(num_classes.values()))
