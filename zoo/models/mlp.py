"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.nn.head import WithHead, linear_head
from zoo.registry import register_model


class MLP(WithHead):
    """Linear-ReLU-Dropout blocks and a linear head over the flattened input.

    Args:
        in_features: numbers in one flattened sample.
        widths: units of each hidden layer, any depth; empty gives a linear classifier.
        dropout: probability after each hidden layer, one number for all or one a layer.
        num_classes: outputs of the head; 0 for none.
        norm: batch norm between each hidden layer and its ReLU, where its authors put it (Ioffe & Szegedy 2015,
            section 3.2); those layers have no bias, which the norm would subtract again.

    Shapes: input (N, …) with `in_features` numbers a sample, output logits (N, num_classes).
    Raises `ValueError` if `dropout` names another number of layers than `widths`.
    """

    def __init__(
        self,
        in_features: int = 64,
        widths: Sequence[int] = (128, 64),
        dropout: float | Sequence[float] = 0.0,
        num_classes: int = 10,
        norm: bool = False,
    ) -> None:
        super().__init__()
        rates = [dropout] * len(widths) if isinstance(dropout, (int, float)) else list(dropout)
        if len(rates) != len(widths):
            raise ValueError(f"dropout has {len(rates)} rates for {len(widths)} hidden layers; give one a layer.")
        layers: list[nn.Module] = []
        for width, rate in zip(widths, rates, strict=True):
            layers.append(nn.Linear(in_features, width, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(nn.ReLU())
            if rate:
                layers.append(nn.Dropout(rate))
            in_features = width
        self.body: nn.Sequential = nn.Sequential(*layers)
        self.num_features = in_features
        self.head: nn.Linear | nn.Identity = linear_head(in_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        return self.body(x.flatten(1))


class ResidualBlock(nn.Module):
    """x + Dropout(ReLU(BatchNorm(W x))), W square and without a bias.

    The identity carries gradients past the layer however deep the stack is (He et al. 2016, Deep Residual Learning for
    Image Recognition, section 3.2, for one layer a block). Shapes: (N, width) -> (N, width).
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.branch: nn.Sequential = nn.Sequential(
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class ResMLP(WithHead):
    """A Linear-BatchNorm-ReLU stem over the flattened input, residual blocks of its width, and a linear head.

    Args:
        in_features: numbers in one flattened sample.
        width: units of the stem and of every block.
        blocks: how many, any number.
        dropout: probability at the end of each block's branch; the identity stays whole.
        num_classes: outputs of the head; 0 for none.

    Shapes: input (N, …) with `in_features` numbers a sample, output logits (N, num_classes).
    """

    def __init__(self, in_features: int, width: int, blocks: int, dropout: float, num_classes: int) -> None:
        super().__init__()
        self.stem: nn.Sequential = nn.Sequential(
            nn.Linear(in_features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()
        )
        self.blocks: nn.Sequential = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(blocks)))
        self.num_features = width
        self.head: nn.Linear | nn.Identity = linear_head(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x.flatten(1)))


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="A multilayer perceptron of any depth and widths",
    source="Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
    input_shape=(1, 8, 8),
)
def mlp(
    in_features: int = 64,
    widths: Sequence[int] = (128, 64),
    dropout: float | Sequence[float] = 0.0,
    num_classes: int = 10,
    in_chans: int = 1,
) -> MLP:
    """An `MLP`; the defaults fit scikit-learn's 8 x 8 digits. `in_features` counts the numbers of one channel."""
    return MLP(in_chans * in_features, widths, dropout, num_classes)


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="784-512-256-128-10 perceptron with ReLU, dropout 0.3 after the first two layers",
    source="Srivastava et al. 2014, Dropout, section 6.1.1 (MNIST)",
    input_shape=(1, 28, 28),
)
def mnist_mlp(num_classes: int = 10, in_chans: int = 1) -> MLP:
    """The fixed 784-512-256-128 `MLP` for 28 x 28 grey images."""
    return MLP(in_chans * 784, (512, 256, 128), (0.3, 0.3, 0.0), num_classes)


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="784-512-512-256-10 perceptron of Linear-BatchNorm-ReLU-Dropout blocks",
    source="Ioffe & Szegedy 2015, Batch Normalization: Accelerating Deep Network Training, section 3.2",
    input_shape=(1, 28, 28),
)
def mlp_bn(
    in_features: int = 784,
    widths: Sequence[int] = (512, 512, 256),
    dropout: float | Sequence[float] = 0.3,
    num_classes: int = 10,
    in_chans: int = 1,
) -> MLP:
    """An `MLP` with batch norm for 28 x 28 grey images. `in_features` counts the numbers of one channel."""
    return MLP(in_chans * in_features, widths, dropout, num_classes, norm=True)


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="A perceptron of four residual Linear-BatchNorm-ReLU blocks, 512 units wide",
    source="He et al. 2016, Deep Residual Learning for Image Recognition, section 3.2",
    input_shape=(1, 28, 28),
)
def res_mlp(
    in_features: int = 784,
    width: int = 512,
    blocks: int = 4,
    dropout: float = 0.3,
    num_classes: int = 10,
    in_chans: int = 1,
) -> ResMLP:
    """A `ResMLP`; the defaults fit 28 x 28 grey images. `in_features` counts the numbers of one channel."""
    return ResMLP(in_chans * in_features, width, blocks, dropout, num_classes)
