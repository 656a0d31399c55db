"""Attention over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentionPooling(nn.Module):
    """One vector from a sequence: the mean of its states, weighted by masked additive attention.

    The score of a state h is v · tanh(W h + b), the weights are the softmax of the scores over the states that `mask`
    lets in (Bahdanau, Cho & Bengio 2015, Neural Machine Translation by Jointly Learning to Align and Translate,
    appendix A.1.2, with a learned query in place of the decoder's state: Yang et al. 2016, Hierarchical Attention
    Networks, section 2.2).

    With scores e_t, weights a_t = exp(e_t) / sum_s exp(e_s) over the states let in, and pooled p = sum_t a_t h_t: since
    da_s/de_t = a_s ([s = t] - a_t), dp/de_t = a_t (h_t - p). So a state's score rises as far as h_t would move p where
    the loss wants it, and a state with weight 0 gets no gradient, neither through its score nor through p.

    Args:
        features: numbers in one state.
        units: width of the hidden layer that scores a state. 64 is plenty to tell what matters from what does not.

    Shapes: states (N, T, features) and mask (N, T), true where a state counts -> pooled (N, features), weights (N, T).
    A weight outside the mask is exactly 0; a row that masks everything has weights 0 and pools to zeros.

        >>> pooled, weights = nn.AttentionPooling(6)(torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool))
        >>> pooled.shape, weights.sum(1).round().tolist()
        (torch.Size([2, 6]), [1.0, 1.0])
    """

    def __init__(self, features: int, units: int = 64) -> None:
        super().__init__()
        self.project: nn.Linear = nn.Linear(features, units)
        self.score: nn.Linear = nn.Linear(units, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        # The softmax runs over hundreds of terms, so it is in float32 even if the states are bfloat16.
        scores = self.score(torch.tanh(self.project(states))).squeeze(-1)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        # The lowest finite number, not -inf: a row without states gets equal weights instead of NaN. The product then
        # makes every masked weight exactly zero, those too.
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask
        # A matrix product of one row: no (N, T, features) of weighted states is ever written, which halves the cost.
        return (weights.to(states.dtype).unsqueeze(1) @ states).squeeze(1), weights
