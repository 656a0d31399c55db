"""Recurrent layers that honour lengths without packing."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def length_mask(lengths: Tensor, steps: int) -> Tensor:
    """(N,) lengths -> (N, steps) bool, true before each row's length."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """Each row of x (N, T, F) reversed within its own length; what lies behind the length stays where it is."""
    time = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
    last = lengths.unsqueeze(1) - 1
    return x.gather(1, torch.where(time <= last, last - time, time).unsqueeze(-1).expand_as(x))


def time_dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout of whole channels: one mask a row, the same at every time step (Gal & Ghahramani 2016, section 4)."""
    return x * nn.functional.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), rate, training) if training and rate else x


class BiLSTM(nn.Module):
    """A bidirectional LSTM whose states do not depend on padding (Graves & Schmidhuber 2005).

    `nn.LSTM(bidirectional=True)` on a padded batch starts its backward half in the padding; on a packed batch it is
    right, but 4 to 32 times slower on a CPU (`benchmarks/recurrent.py`). Here each direction is an `nn.LSTM` of its own
    on the padded batch, and the backward one reads every row reversed within its own length: padding comes last
    for both, so no state has seen any. Equal to `pack_padded_sequence` around a bidirectional `nn.LSTM` of the same
    weights.

    Args:
        features: numbers in one input step.
        hidden: units of each direction.
        layers: such pairs on top of each other.
        dropout: probability of `time_dropout` between the layers; none behind the last one. It is not left to
            `nn.LSTM(dropout=)`, which draws a fresh mask at every step and erodes the memory it is to regularise.

    Shapes: x (N, T, features) and lengths (N,) int64, 0 to T -> states (N, T, 2 * hidden), the forward half first.
    States behind a row's length are zero, as `pad_packed_sequence` gives them.
    """

    def __init__(self, features: int, hidden: int, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        widths = [features] + [2 * hidden] * (layers - 1)
        self.ahead = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.back = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.hidden = hidden
        self.dropout = dropout

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if x.shape[1] == 0:  # nothing but empty rows, and nn.LSTM takes no sequence without steps
            return x.new_zeros(x.shape[0], 0, 2 * self.hidden)
        mask = length_mask(lengths, x.shape[1]).unsqueeze(-1)
        for i, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            if i:
                x = time_dropout(x, self.dropout, self.training)
            backward = reverse_within(back(reverse_within(x, lengths))[0], lengths)
            x = torch.cat([ahead(x)[0], backward], -1) * mask
        return x
