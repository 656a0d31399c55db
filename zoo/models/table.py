"""Perceptrons for the rows of a table: numbers and categories; both may be blank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from zoo.nn.head import WithHead, linear_head
from zoo.nn.members import Members
from zoo.nn.numbers import Periodic, PiecewiseLinear
from zoo.registry import register_model


class TableMLP(WithHead):
    """Numbers and the embeddings of categories -> Linear-BatchNorm-ReLU-Dropout blocks -> linear head.

    Args:
        numbers: columns with numbers (F).
        categories: for each column with categories (C of them) how many it has.
        embedding_dim: numbers in a category's vector.
        periodic: makes the layer of vectors of the numbers, to stand beside the numbers themselves. Made in its turn:
            layers draw their parameters in the order in which they are registered.
        piecewise: the same for a second such layer.
        widths: units of each hidden layer.
        dropout: probability after each hidden layer.
        blanks: share of the cells that are read as blank in training, so that the model learns what a blank means in
            columns whose training data have none.
        outputs: of the head; 0 for none.
        members: networks that share all matrices (`zoo.nn.Members`); the mean of their outputs is the answer. In a
            training step each row is read by one of them, drawn at random, so that a step costs what it costs without
            members; afterwards each row is read by all.

    Shapes: numbers (N, F) float with mean 0, NaN for a blank, which counts as the mean with a mark beside it; codes
    (N, C) int64, where 0 is a blank and 1 to k are the k categories of the column -> (N, outputs).
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
        piecewise: Callable[[], PiecewiseLinear] | None = None,
        members: int = 1,
        unit: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        super().__init__()
        if members < 1:
            raise ValueError(f"members is {members}; give at least 1.")
        self.blanks: float = blanks
        self.count: int = members
        self.unit: tuple[float, float] = unit
        self.embeddings: nn.ModuleList = nn.ModuleList(nn.Embedding(1 + known, embedding_dim) for known in categories)
        self.periodic: Periodic | None = periodic() if periodic else None
        self.piecewise: PiecewiseLinear | None = piecewise() if piecewise else None
        vectors = sum(layer.bias.numel() for layer in (self.periodic, self.piecewise) if layer is not None)
        read = [2 * numbers + len(categories) * embedding_dim + vectors, *widths]
        layers: list[nn.Module] = []
        for features, width in zip(read, widths, strict=False):
            layers += [nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
        self.body: nn.Sequential = nn.Sequential(*layers)
        if members > 1:
            self.members: nn.ModuleList = nn.ModuleList(
                Members(members, size, spread=0.0 if i else 0.3) for i, size in enumerate(read)
            )
        self.num_features: int = read[-1]
        self.head: nn.Linear | nn.Identity = linear_head(self.num_features, outputs)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        outputs = self.forward_head(self.forward_features(numbers, codes))
        shift, scale = self.unit
        return outputs if self.unit == (0.0, 1.0) else outputs.float() * scale + shift

    def forward_features(self, numbers: Tensor, codes: Tensor) -> Tensor:
        if self.training and self.blanks:
            numbers = numbers.masked_fill(torch.rand_like(numbers) < self.blanks, torch.nan)
            codes = codes.masked_fill(torch.rand(codes.shape, device=codes.device) < self.blanks, 0)
        x = self.encode(numbers, codes)
        if self.count == 1:
            return self.body(x)
        if self.training:
            return self.read(x, (torch.rand(len(x), device=x.device) * self.count).long())
        member = torch.arange(self.count, device=x.device).repeat(len(x))
        # All members have one linear head, so the mean of what it reads gives the mean of the outputs.
        return self.read(x.repeat_interleave(self.count, 0), member).unflatten(0, (-1, self.count)).mean(1)

    def encode(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """What the first layer reads: numbers, marks of blanks, vectors of the categories and of the numbers."""
        known = numbers.nan_to_num(0)
        parts = [known, numbers.isnan().to(known.dtype)]
        parts += [embedding(code) for embedding, code in zip(self.embeddings, codes.unbind(1), strict=True)]
        parts += [layer(known).flatten(1) for layer in (self.periodic, self.piecewise) if layer is not None]
        return torch.cat(parts, 1)

    def read(self, x: Tensor, member: Tensor) -> Tensor:
        """What the head reads (N, num_features), with the member (N,) that reads each row of x (N, F)."""
        members = iter(self.members)
        for layer in self.body:
            x = layer(next(members)(x, member) if isinstance(layer, nn.Linear) else x)
        return next(members)(x, member)


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
    bins: int = 0,
    members: int = 1,
    shift: float = 0.0,
    scale: float = 1.0,
) -> TableMLP:
    """A `TableMLP` with `Periodic` numbers and one output; the defaults fit the columns of California's houses.

    With `bins` there are `PiecewiseLinear` vectors of the numbers beside the periodic ones; `frequencies` 0 leaves
    those out. `members` is as in `TableMLP`. `shift` and `scale` are the mean and standard deviation of the
    numbers to predict: the head gives standard deviations from the mean, and the model their own unit.
    """
    periodic = partial(Periodic, numbers, frequencies, dim, sigma) if frequencies else None
    piecewise = partial(PiecewiseLinear, numbers, bins, dim) if bins else None
    more = {"piecewise": piecewise, "members": members, "unit": (shift, scale)}
    return TableMLP(numbers, categories, embedding_dim, periodic, widths, dropout, blanks, 1, **more)


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
    members: int = 1,
) -> TableMLP:
    """A `TableMLP` with an output for each class; the defaults fit the columns of a telephone company's customers."""
    return TableMLP(numbers, categories, embedding_dim, None, widths, dropout, blanks, num_classes, members=members)
