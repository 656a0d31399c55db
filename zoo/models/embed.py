"""Embeddings of images: points on a sphere, near each other if the images are alike."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from zoo.models.cnn import stages
from zoo.nn.head import WithHead, linear_head
from zoo.registry import register_model


@register_model(
    task="metric-learning",
    init="kaiming_normal",
    description="A small CNN that maps digits to points on a sphere, near each other where the digits are the same",
    source="Schroff, Kalenichenko & Philbin 2015, FaceNet: A Unified Embedding for Face Recognition, section 3",
    input_shape=(1, 28, 28),
)
class mnist_embed(WithHead):
    """Three conv-BatchNorm-ReLU stages, their means over all pixels, and a linear head scaled to length 1.

    Length 1 gives distances a scale, which a loss with a margin needs: between 0 and 2 (FaceNet, 3.1).

    Args:
        dimensions: of the embedding. 64 are more than ten digits need, so that their styles have room too.
        in_chans: channels of the images.

    The embedding is what the model is for, so it counts as its features, not as the outputs of a classifier. There is
    no classifier until `reset_classifier` puts one on top of the embeddings.

    Shapes: images (N, in_chans, H, W) of at least 4 x 4 pixels -> embeddings (N, dimensions) of length 1.
    """

    def __init__(self, dimensions: int = 64, in_chans: int = 1) -> None:
        super().__init__()
        self.body: nn.Sequential = stages(in_chans, (32, 64, 128), depth=1)
        self.head: nn.Linear = nn.Linear(128, dimensions)
        self.num_features = dimensions
        self.classifier = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        return F.normalize(self.head(self.body(x).mean((2, 3))), dim=1)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        return features if pre_logits else self.classifier(features)

    def get_classifier(self) -> nn.Module:
        return self.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """Put a fresh classifier of the embeddings on top; 0 removes it."""
        self.classifier: nn.Linear | nn.Identity = self._like_us(linear_head(self.num_features, num_classes))
        self._forget_labels(num_classes)
