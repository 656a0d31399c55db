"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.registry import register_model


class MLP(nn.Module):
    """Linear-ReLU-Dropout blocks and a linear head over the flattened input.

    Args:
        in_features: numbers in one flattened sample.
        widths: units of each hidden layer, any depth; empty gives a linear classifier.
        dropout: probability after each hidden layer, one number for all or one a layer.
        num_classes: outputs of the head.

    Shapes: input (N, …) with `in_features` numbers a sample, output logits (N, num_classes).
    Raises `ValueError` where `dropout` names another number of layers than `widths`.
    """

    def __init__(
        self,
        in_features: int = 64,
        widths: Sequence[int] = (128, 64),
        dropout: float | Sequence[float] = 0.0,
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        rates = [dropout] * len(widths) if isinstance(dropout, (int, float)) else list(dropout)
        if len(rates) != len(widths):
            raise ValueError(f"dropout has {len(rates)} rates for {len(widths)} hidden layers; give one a layer.")
        layers: list[nn.Module] = []
        for width, rate in zip(widths, rates, strict=True):
            layers += [nn.Linear(in_features, width), nn.ReLU()]
            if rate:
                layers.append(nn.Dropout(rate))
            in_features = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(in_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.flatten(1)))


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
) -> MLP:
    """An `MLP`; the defaults fit scikit-learn's 8 x 8 digits."""
    return MLP(in_features, widths, dropout, num_classes)


@register_model(
    task="image-classification",
    init="kaiming_normal",
    description="784-512-256-128-10 perceptron with ReLU, dropout 0.3 after the first two layers",
    source="Srivastava et al. 2014, Dropout, section 6.1.1 (MNIST)",
    input_shape=(1, 28, 28),
)
def mnist_mlp(num_classes: int = 10) -> MLP:
    """The fixed 784-512-256-128 `MLP` for 28 x 28 grey images."""
    return MLP(784, (512, 256, 128), (0.3, 0.3, 0.0), num_classes)
