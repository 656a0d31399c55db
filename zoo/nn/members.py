"""Several networks that share their matrices and differ in a vector for each layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Members(nn.Module):
    """What a layer reads, scaled by the vector of the member that reads it (Wen et al. 2020, BatchEnsemble, section 3).

    Members are an ensemble for little more than the price of one network: they share every matrix, and a vector that
    scales what a matrix reads makes it another matrix. They start out different, because they begin with random signs
    (section 3.1 there; Gorishniy et al. 2025, TabM, section 3.3, gives random signs to the first layer alone, and ones
    to those after it).

    Args:
        members: how many (M).
        features: numbers in what the layer reads (F).
        signs: whether the vectors start with random signs, +1 or -1, and not with ones.

    Shapes: x (N, F) and the member of each row, int64 (N,) -> (N, F).
    """

    def __init__(self, members: int, features: int, signs: bool) -> None:
        super().__init__()
        self.signs = signs
        self.weight: nn.Parameter = nn.Parameter(torch.empty(members, features))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        if self.signs:
            self.weight.copy_(torch.where(torch.rand_like(self.weight) < 0.5, -1.0, 1.0))

    def forward(self, x: Tensor, member: Tensor) -> Tensor:
        return x * self.weight[member]
