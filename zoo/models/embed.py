"""Embeddings of images: points on a sphere, near each other where the images are alike."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from zoo.models.cnn import stages
from zoo.registry import register_model


@register_model(
    task="metric-learning",
    init="kaiming_normal",
    description="A small CNN that maps digits to points on a sphere, near each other where the digits are the same",
    source="Schroff, Kalenichenko & Philbin 2015, FaceNet: A Unified Embedding for Face Recognition, section 3",
    input_shape=(1, 28, 28),
)
class mnist_embed(nn.Module):
    """Three conv-BatchNorm-ReLU stages, their means over all pixels, and a linear head scaled to length 1.

    Length 1 gives distances a scale, which a loss with a margin needs: between 0 and 2 (FaceNet, 3.1).

    Args:
        dimensions: of the embedding. 64 are more than ten digits need, so that their styles have room too.

    Shapes: images (N, 1, H, W) of at least 4 x 4 pixels -> embeddings (N, dimensions) of length 1.
    """

    def __init__(self, dimensions: int = 64) -> None:
        super().__init__()
        self.body = stages(1, (32, 64, 128), depth=1)
        self.head = nn.Linear(128, dimensions)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.head(self.body(x).mean((2, 3))), dim=1)
