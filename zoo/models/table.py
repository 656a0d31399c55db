"""Perceptrons for the rows of a table: numbers and categories, either of which may be blank."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from zoo.nn.head import WithHead, linear_head
from zoo.registry import register_model


class Periodic(nn.Module):
    """Each number as a vector of its own: ReLU(W [cos 2πcx, sin 2πcx] + b) (Gorishniy et al. 2022, 3.3, "PLR").

    A perceptron is slow to learn a function that changes quickly along a number, as prices do along a coordinate; of
    waves it is a weighted sum. The frequencies c are learnt too, and W and b are another for each number.

    Args:
        numbers: how many there are (F).
        frequencies: waves for each (K).
        dim: length of each vector (D).
        sigma: the standard deviation of the first frequencies, in waves a unit of x, one for all numbers or one each:
            how quickly what is learnt may change. The paper tunes it for each data set, above all else.

    Shapes: (N, F) -> (N, F, D). Raises `ValueError` where `sigma` names another number of numbers.
    """

    def __init__(self, numbers: int, frequencies: int, dim: int, sigma: float | Sequence[float]) -> None:
        super().__init__()
        self.sigmas = [sigma] * numbers if isinstance(sigma, (int, float)) else list(sigma)
        if len(self.sigmas) != numbers:
            raise ValueError(f"sigma has {len(self.sigmas)} values for {numbers} numbers; give one or one each.")
        self.frequencies = nn.Parameter(torch.empty(numbers, frequencies))
        self.weight = nn.Parameter(torch.empty(numbers, 2 * frequencies, dim))
        self.bias = nn.Parameter(torch.empty(numbers, dim))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        for row, sigma in zip(self.frequencies, self.sigmas, strict=True):
            nn.init.normal_(row, std=sigma)
        # cos² + sin² = 1, so the mean square of the waves is 1/2, and of what a ReLU of it lets pass half.
        nn.init.normal_(self.weight, std=math.sqrt(2 / self.weight.shape[1]))
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        angles = 2 * math.pi * x.unsqueeze(-1) * self.frequencies
        waves = torch.cat([angles.cos(), angles.sin()], -1)
        return (torch.einsum("nfk,fkd->nfd", waves, self.weight) + self.bias).relu()


class TableMLP(WithHead):
    """Numbers and the embeddings of categories -> Linear-BatchNorm-ReLU-Dropout blocks -> linear head.

    Args:
        numbers: columns with numbers (F).
        categories: for each column with categories (C of them) how many it has.
        embedding_dim: numbers in a category's vector.
        periodic: makes the layer of vectors of the numbers, to stand beside the numbers themselves. Made in its turn:
            layers draw their parameters in the order in which they are registered.
        widths: units of each hidden layer.
        dropout: probability after each hidden layer.
        blanks: share of the cells that are read as blank in training, so that the model learns what a blank means in
            columns whose training data have none.
        outputs: of the head; 0 for none.

    Shapes: numbers (N, F) float with mean 0, NaN for a blank, which counts as the mean with a mark beside it; codes
    (N, C) int64, of which 0 is a blank and 1 to k are the k categories of the column -> (N, outputs).
    """

    def __init__(
        self,
        numbers: int,
        categories: Sequence[int],
        embedding_dim: int,
        periodic: Callable[[], Periodic] | None,
        widths: Sequence[int],
        dropout: float,
        blanks: float,
        outputs: int,
    ) -> None:
        super().__init__()
        self.blanks = blanks
        self.embeddings = nn.ModuleList(nn.Embedding(1 + known, embedding_dim) for known in categories)
        self.periodic = periodic() if periodic else None
        waves = self.periodic.bias.numel() if self.periodic else 0
        features = 2 * numbers + len(categories) * embedding_dim + waves
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
            features = width
        self.body = nn.Sequential(*layers)
        self.num_features = features
        self.head = linear_head(features, outputs)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(numbers, codes))

    def forward_features(self, numbers: Tensor, codes: Tensor) -> Tensor:
        if self.training and self.blanks:
            numbers = numbers.masked_fill(torch.rand_like(numbers) < self.blanks, torch.nan)
            codes = codes.masked_fill(torch.rand(codes.shape, device=codes.device) < self.blanks, 0)
        known = numbers.nan_to_num(0)
        parts = [known, numbers.isnan().to(known.dtype)]
        parts += [embedding(code) for embedding, code in zip(self.embeddings, codes.unbind(1), strict=True)]
        if self.periodic is not None:
            parts.append(self.periodic(known).flatten(1))
        return self.body(torch.cat(parts, 1))


@register_model(
    task="regression",
    init="kaiming_normal",
    description="Perceptron over numbers as learned waves and embedded categories, for the price of houses",
    source="Gorishniy et al. 2022, On Embeddings for Numerical Features in Tabular Deep Learning, section 3.3",
    input_shape=(9,),
)
def housing_mlp(
    numbers: int = 8,
    categories: Sequence[int] = (5,),
    embedding_dim: int = 4,
    frequencies: int = 48,
    dim: int = 16,
    sigma: float | Sequence[float] = 0.1,
    widths: Sequence[int] = (256, 256, 128),
    dropout: float = 0.0,
    blanks: float = 0.0,
) -> TableMLP:
    """A `TableMLP` with `Periodic` numbers and one output; the defaults fit the columns of California's houses."""
    periodic = partial(Periodic, numbers, frequencies, dim, sigma)
    return TableMLP(numbers, categories, embedding_dim, periodic, widths, dropout, blanks, outputs=1)


@register_model(
    task="tabular-classification",
    init="kaiming_normal",
    description="Perceptron over standardised numbers and embedded categories, for customers who leave",
    source="Guo & Berkhahn 2016, Entity Embeddings of Categorical Variables",
    input_shape=(19,),
)
def churn_mlp(
    numbers: int = 3,
    categories: Sequence[int] = (2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 4),
    embedding_dim: int = 2,
    widths: Sequence[int] = (64, 32),
    dropout: float = 0.0,
    blanks: float = 0.0,
    num_classes: int = 2,
) -> TableMLP:
    """A `TableMLP` with an output for each class; the defaults fit the columns of a telephone company's customers."""
    return TableMLP(numbers, categories, embedding_dim, None, widths, dropout, blanks, outputs=num_classes)
