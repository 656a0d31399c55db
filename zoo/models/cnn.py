"""Plain convolutional networks: stages of 3 x 3 convolutions with max-pools between them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.nn.head import WithHead, linear_head
from zoo.registry import register_model


def stages(channels: int, widths: Sequence[int], depth: int) -> nn.Sequential:
    """Stages of `depth` blocks 3 x 3 convolution - BatchNorm - ReLU, one stage a width, with max-pools between them.

    Convolutions have no bias: the batch norm after each subtracts it again.
    Shapes: (N, channels, H, W) -> (N, widths[-1], H / 2^s, W / 2^s), rounded down, for s + 1 widths.
    """
    layers: list[nn.Module] = []
    for place, width in enumerate(widths):
        if place:
            layers.append(nn.MaxPool2d(2))
        for _ in range(depth):
            layers += [
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
    return nn.Sequential(*layers)


class CNN(WithHead):
    """Three stages of 32, 64 and 128 channels with two max-pools, and a hidden layer of 256 units before the head.

    Each stage holds two convolutions, as VGG's do (Simonyan & Zisserman 2015, Very Deep Convolutional Networks, 2.3):
    with one a stage the last maps see 18 x 18 pixels of the image, with two 32 x 32. The maps go to the hidden layer as
    their means over all pixels (Lin, Chen & Yan 2014, Network in Network, 3.2), not flattened: for CIFAR-10 that takes
    33,000 weights instead of 2.1 million, and images of any size.

    Args:
        in_chans: channels of the images.
        num_classes: outputs of the head; 0 for none.
        dropout: probability between hidden layer and head; 0.5 as in Srivastava et al. 2014, section 3.

    Shapes: images (N, in_chans, H, W) of at least 4 x 4 pixels -> logits (N, num_classes). The features are what the
    hidden layer gives (N, 256).
    """

    def __init__(self, in_chans: int, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.body: nn.Sequential = stages(in_chans, (32, 64, 128), depth=2)
        self.hidden: nn.Sequential = nn.Sequential(nn.Linear(128, 256), nn.ReLU(inplace=True), nn.Dropout(dropout))
        self.num_features = 256
        self.head: nn.Linear | nn.Identity = linear_head(256, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        return self.hidden(self.body(x).mean((2, 3)))


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="Three conv-BatchNorm-ReLU stages for 32 x 32 colour images, two max-pools, 256 hidden units",
    source="Simonyan & Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition, section 2",
    input_shape=(3, 32, 32),
)
def cnn_cifar(dropout: float = 0.5, num_classes: int = 10, in_chans: int = 3) -> CNN:
    """A `CNN` for colour images."""
    return CNN(in_chans, num_classes, dropout)


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="Three conv-BatchNorm-ReLU stages for 28 x 28 grey images, two max-pools, 256 hidden units",
    source="Simonyan & Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition, section 2",
    input_shape=(1, 28, 28),
)
def cnn_fashion(dropout: float = 0.5, num_classes: int = 10, in_chans: int = 1) -> CNN:
    """A `CNN` for grey images."""
    return CNN(in_chans, num_classes, dropout)
