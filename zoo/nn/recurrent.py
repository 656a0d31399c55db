"""Recurrent layers that honour lengths without packing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.errors import unknown
from zoo.nn.rates import rate

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def length_mask(lengths: Tensor, steps: int) -> Tensor:
    """(N,) lengths -> (N, steps) bool, true before each row's length.

    >>> nn.length_mask(torch.tensor([1, 3]), 3)
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """Each row of x (N, T, F) reversed within its own length; what lies after the length stays where it is.

    >>> nn.reverse_within(torch.tensor([[[1], [2], [3]]]), torch.tensor([2])).flatten()
    tensor([2, 1, 3])
    """
    time = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
    last = lengths.unsqueeze(1) - 1
    return x.gather(1, torch.where(time <= last, last - time, time).unsqueeze(-1).expand_as(x))


def time_dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout of whole channels: one mask a row, the same at every time step (Gal & Ghahramani 2016, section 4)."""
    return x * nn.functional.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), rate, training) if training and rate else x


class Recurrent(nn.Module):
    """A recurrent network whose states do not depend on padding, in one direction or both (Schuster & Paliwal 1997).

    `nn.LSTM(bidirectional=True)` on a padded batch starts its backward half in the padding; on a packed batch it is
    right, but up to 32 times slower on a CPU (`benchmarks/recurrent.py`). Here each direction of each layer is a torch
    layer of its own on the padded batch, and the backward one reads every row reversed within its own length: padding
    comes last for both, so no state has seen any. Equal to `pack_padded_sequence` around PyTorch's network of the same
    weights.

    Args:
        cell: "lstm" (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000), "gru" (Cho et al. 2014)
            or "rnn" (Elman 1990, with tanh).
        features: numbers in one input step.
        hidden: units of each direction.
        layers: such layers on top of each other.
        bidirectional: whether a second half reads each row from its end.
        dropout: probability of `time_dropout` between the layers; none after the last one. It is not left to
            `nn.LSTM(dropout=)`, which draws a fresh mask at every step and erodes the memory it is to regularise.

    Shapes: x (N, T, features) and lengths (N,) int64, 0 to T -> states (N, T, hidden), or (N, T, 2 * hidden) with the
    forward half first. States after a row's length are zero, as `pad_packed_sequence` gives them. Raises `ZooError`
    for an unknown cell, `ValueError` for no layer and for a dropout outside [0, 1].

        >>> network = nn.Recurrent("lstm", features=3, hidden=4, bidirectional=True)
        >>> states = network(torch.randn(2, 5, 3), torch.tensor([5, 2]))
        >>> states.shape, states[1, 2:].abs().sum().item()
        (torch.Size([2, 5, 8]), 0.0)
    """

    def __init__(
        self,
        cell: str,
        features: int,
        hidden: int,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise unknown("cell", cell, CELLS)
        if layers < 1:
            raise ValueError(f"layers is {layers}, expected at least 1")
        self.width: int = 2 * hidden if bidirectional else hidden
        widths = [features] + [self.width] * (layers - 1)
        self.ahead: nn.ModuleList = nn.ModuleList(CELLS[cell](width, hidden, batch_first=True) for width in widths)
        back = widths if bidirectional else []
        self.back: nn.ModuleList = nn.ModuleList(CELLS[cell](width, hidden, batch_first=True) for width in back)
        self.hidden = hidden
        self.dropout: float = rate("dropout", dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if x.shape[1] == 0:  # nothing but empty rows, and nn.LSTM takes no sequence without steps
            return x.new_zeros(x.shape[0], 0, self.width)
        mask = length_mask(lengths, x.shape[1]).unsqueeze(-1)
        for i, ahead in enumerate(self.ahead):
            if i:
                x = time_dropout(x, self.dropout, self.training)
            backward = [reverse_within(self.back[i](reverse_within(x, lengths))[0], lengths)] if self.back else []
            x = torch.cat([ahead(x)[0], *backward], -1) * mask
        return x

    def last_states(self, states: Tensor, lengths: Tensor) -> Tensor:
        """What each direction ends with: states (N, T, width) of `forward` and lengths (N,) -> (N, width).

        The forward half ends at a row's last step, the backward one at its first. An empty row has zeros.
        """
        if states.shape[1] == 0:
            return states.new_zeros(len(states), self.width)
        last = (lengths - 1).clamp(min=0).view(-1, 1, 1)  # an empty row's first state is zero
        forward = states[..., : self.hidden].gather(1, last.expand(-1, 1, self.hidden)).squeeze(1)
        return torch.cat([forward, states[:, 0, self.hidden :]], -1)
