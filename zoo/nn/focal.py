"""Focal loss, for data with few samples of what matters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import ZooError, unknown

REDUCTIONS = ("mean", "sum", "none")


class FocalLoss(nn.Module):
    """Cross-entropy in which a sample weighs the less the better it is classified already (Lin et al. 2017, section 3).

    With p the probability of the true class, cross-entropy is -log p, and a sample weighs by its slope in the logit of
    that class, p - 1. The focal loss

        FL = -alpha (1 - p)^gamma log p

    has the slope alpha (1 - p)^gamma (gamma p log p + p - 1), because dp/dz = p (1 - p): towards p = 1 that is
    cross-entropy's times (1 + gamma) (1 - p)^gamma. With gamma = 2 a sample at p = 0.9 weighs 1/35 of what it did, one
    at p = 0.1 weighs 1.2 times as much, and the many easy samples no longer drown the few hard ones. gamma = 0 without
    alpha is cross-entropy itself.

    Args:
        gamma: 0 or more; how steeply easy samples fade. 2 is the paper's best (table 1b).
        alpha: what each class weighs: K numbers, 0 or more, for K classes; None for 1 each. For binary logits also one
            number in 0..1, which the positive class weighs, the negative one 1 - alpha; with gamma = 2 the paper's best
            is 0.25. For more classes one number would scale the loss and weigh nothing, so it is refused.
        reduction: "mean" over the N samples (not over their weights, as F.cross_entropy's), "sum", or "none" for (N,).

    Shapes, multi-class: logits (N, K), and targets (N,) int64 or class probabilities (N, K), as mix-up gives them;
    binary: logits (N,), and targets (N,) bool or float in 0..1. Soft targets give the mean over the labels that they
    stand for. Half precision is computed in float32. Raises `ZooError` for an argument out of range and for shapes that
    do not fit together.

        >>> logits, targets = torch.tensor([[4.0, 0.0], [0.0, 4.0]]), torch.tensor([0, 0])
        >>> nn.FocalLoss(reduction="none")(logits, targets).round(decimals=2)
        tensor([0.0000, 3.8700])
    """

    alpha: Tensor | None

    def __init__(
        self, gamma: float = 2.0, alpha: float | Sequence[float] | Tensor | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if not gamma >= 0:
            raise ZooError(f"focal loss: gamma is {gamma}; give 0 or more.")
        if reduction not in REDUCTIONS:
            raise unknown("reduction", reduction, REDUCTIONS)
        weights = None if alpha is None else torch.as_tensor(alpha, dtype=torch.get_default_dtype())
        if weights is not None and ((weights < 0).any() or (weights.ndim == 0 and weights > 1)):
            raise ZooError(f"focal loss: alpha is {alpha}; give one number in 0..1, or 0 or more for each class.")
        self.gamma = gamma
        self.reduction = reduction
        self.register_buffer("alpha", weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if logits.ndim == 1 and targets.shape == logits.shape:  # two classes share one logit
            log_p = torch.stack([F.logsigmoid(-logits), F.logsigmoid(logits)], 1)
            targets = targets.to(log_p.dtype)
            shares = torch.stack([1 - targets, targets], 1)
        elif logits.ndim == 2 and logits.shape[1] > 1 and targets.shape in (logits.shape, logits.shape[:1]):
            log_p = logits.log_softmax(1)
            shares = targets if targets.ndim == 2 else F.one_hot(targets, logits.shape[1])
        else:
            raise ZooError(
                f"focal loss: logits {tuple(logits.shape)} and targets {tuple(targets.shape)} do not fit; "
                "give (N, K) with K of 2 or more and (N,) or (N, K), or (N,) and (N,) for binary."
            )
        # Where p rounds to 1 the power's slope is infinite for gamma < 1; the loss is below the rounding error there.
        missed = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).eps)
        log_p = log_p.masked_fill(shares == 0, 0)  # a class that is out of the question at -inf, and not the true one
        loss = -(self._weights(logits) * shares * missed**self.gamma * log_p).sum(1)
        return loss if self.reduction == "none" else loss.mean() if self.reduction == "mean" else loss.sum()

    def _weights(self, logits: Tensor) -> Tensor | float:
        """What each class weighs, (K,) or 1."""
        if self.alpha is None:
            return 1.0
        classes = 2 if logits.ndim == 1 else logits.shape[1]
        if self.alpha.ndim == 0 and logits.ndim == 1:
            return torch.stack([1 - self.alpha, self.alpha])
        if self.alpha.ndim == 0:
            raise ZooError(f"focal loss: one alpha for {classes} classes weighs nothing; give {classes} numbers.")
        if self.alpha.shape != (classes,):
            raise ZooError(f"focal loss: alpha {self.alpha.tolist()} is for {classes} classes; give a number for each.")
        return self.alpha
