"""Residual networks of basic blocks (He et al. 2016, Deep Residual Learning for Image Recognition)."""

from __future__ import annotations

import re
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.head import WithHead, linear_head
from zoo.registry import register_model


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm around an identity or a projection (He et al. 2016, 3.3, option B).

    Shapes: (N, inputs, H, W) -> (N, outputs, H / stride, W / stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1: nn.BatchNorm2d = nn.BatchNorm2d(outputs)
        self.conv2: nn.Conv2d = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2: nn.BatchNorm2d = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Identity | nn.Sequential = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x), inplace=True)


class ResNet(WithHead):
    """A stem, four stages of two basic blocks with 64, 128, 256 and 512 channels, mean pooling and a linear head.

    `stem` turns (N, C, H, W) into (N, 64, h, w). Output: logits (N, num_classes). The features are the last stage's
    maps (N, 512, h / 8, w / 8), of whose means the head reads.
    """

    def __init__(self, stem: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.stem = stem
        widths = (64, 64, 128, 256, 512)
        self.stages: nn.Sequential = nn.Sequential(
            *(
                nn.Sequential(BasicBlock(a, b, stride=1 if a == b else 2), BasicBlock(b, b, stride=1))
                for a, b in pairwise(widths)
            )
        )
        self.num_features = 512
        self.head: nn.Linear | nn.Identity = linear_head(512, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        return self.stages(self.stem(x))

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        return super().forward_head(features.mean((2, 3)), pre_logits)


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="ResNet-18 for large images: 7 x 7 stem with stride 2 and max-pool",
    source="He et al. 2016, Deep Residual Learning for Image Recognition, table 1",
    input_shape=(3, 224, 224),
)
def resnet18(num_classes: int = 1000, in_chans: int = 3) -> ResNet:
    """ResNet-18 as on ImageNet. `from_torchvision` maps torchvision's state dict onto it."""
    stem = nn.Sequential(
        nn.Conv2d(in_chans, 64, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    )
    return ResNet(stem, num_classes)


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="ResNet-18 for 32 x 32 images: 3 x 3 stem, no max-pool",
    source="He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2 and table 1",
    input_shape=(3, 32, 32),
)
def resnet18_cifar(num_classes: int = 10, in_chans: int = 3) -> ResNet:
    """ResNet-18's stages after a stem that keeps the resolution of small images."""
    stem = nn.Sequential(nn.Conv2d(in_chans, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True))
    return ResNet(stem, num_classes)


# torchvision's names -> ours; what is not listed (conv1, conv2 of a block) is called the same.
_TORCHVISION = (
    (r"^conv1\.", "stem.0."),
    (r"^bn1\.", "stem.1."),
    (r"^layer(\d)\.", lambda m: f"stages.{int(m[1]) - 1}."),
    (r"\.bn(\d)\.", r".norm\1."),
    (r"\.downsample\.", ".shortcut."),
    (r"^fc\.", "head."),
)


def from_torchvision(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of `torchvision.models.resnet18` under this module's names; tensors are shared, not copied."""

    def rename(key: str) -> str:
        for pattern, ours in _TORCHVISION:
            key = re.sub(pattern, ours, key)
        return key

    return {rename(key): tensor for key, tensor in state_dict.items()}
