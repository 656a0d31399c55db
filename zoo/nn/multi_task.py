"""One loss for a model with several tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import ZooError, unknown

WEIGHTINGS = ("learned", "equal")

# Kind of a task -> its loss, of outputs (N, K) and targets (N,) float.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "classification": lambda outputs, targets: F.cross_entropy(outputs, targets.long()),
    "binary": lambda outputs, targets: F.binary_cross_entropy_with_logits(outputs.squeeze(1), targets),
    "regression": lambda outputs, targets: F.mse_loss(outputs.squeeze(1), targets),
}


class MultiTaskLoss(nn.Module):
    """The sum of the tasks' losses, each weighed by an uncertainty that is learned (Kendall, Gal & Cipolla 2018, 3.2).

    Losses of several tasks have no common unit: one is in squared pixels, the other in nats. Each is read as minus the
    log-likelihood of a model with a noise of variance σ² of its own, s = log σ², and σ is learned by maximum likelihood
    with all other parameters:

    - regression, y ~ N(f, σ²): (y - f)² / (2 σ²) + log σ, so with the squared error L: exp(-s) L / 2 + s / 2.
    - classification and binary, p = softmax(f / σ²), a temperature: -log p is about L / σ² + log σ with the
      cross-entropy L (the approximation of equation 10, exact at σ = 1), so: exp(-s) L + s / 2.

    For a fixed L the minimum lies where the derivative in s is zero: s = log L for regression, s = log 2L for the
    others. So a task's weight settles near the inverse of its loss, and its scale drops out: measured in other units,
    a regression moves the other parameters as before. Learned is s and not σ, because any real s is allowed.

    Args:
        tasks: name -> {"kind": "classification", "binary" or "regression", "outputs": K}, in the order of the model's
            outputs and of the targets' columns. K is 2 or more for a classification and 1 for the others.
        weighting: "learned", or "equal" for the plain sum. s starts at 0, weights of 1 (1/2 for a regression).

    Shapes: outputs (N, sum of K) and targets (N, number of tasks) float32, a class as its number -> scalar. The
    optimizer must be given this module's `parameters()`: `log_variances` (number of tasks,), with weight decay 0.
    Raises `ZooError` for a task of another kind and for another weighting.

        >>> tasks = {"odd": {"kind": "binary", "outputs": 1}, "size": {"kind": "regression", "outputs": 1}}
        >>> nn.MultiTaskLoss(tasks, "equal")(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 3.0]])).item()
        1.6931...
    """

    factors: Tensor

    def __init__(self, tasks: Mapping[str, Mapping[str, Any]], weighting: str = "learned") -> None:
        super().__init__()
        if weighting not in WEIGHTINGS:
            raise unknown("weighting", weighting, WEIGHTINGS)
        if not tasks:
            raise ZooError("multi-task loss: there are no tasks; give one or more.")
        for name, task in tasks.items():
            if task["kind"] not in LOSSES:
                raise unknown(f"kind of task {name}", task["kind"], LOSSES)
            if (task["outputs"] > 1) != (task["kind"] == "classification") or task["outputs"] < 1:
                raise ZooError(
                    f"multi-task loss: {name} is a {task['kind']} with {task['outputs']} outputs; "
                    "give a classification 2 or more, the others 1."
                )
        self.kinds: dict[str, Any] = {name: task["kind"] for name, task in tasks.items()}
        self.outputs: list[Any] = [task["outputs"] for task in tasks.values()]
        factors = torch.tensor([0.5 if kind == "regression" else 1.0 for kind in self.kinds.values()])
        self.register_buffer("factors", factors, persistent=False)
        self.log_variances: nn.Parameter | None = (
            nn.Parameter(torch.zeros(len(tasks))) if weighting == "learned" else None
        )

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        losses = torch.stack(list(self.losses(outputs, targets).values()))
        if self.log_variances is None:
            return losses.sum()
        return (self.factors * torch.exp(-self.log_variances) * losses + self.log_variances / 2).sum()

    def losses(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Each task's own loss, unweighted: cross-entropy in nats or mean squared error."""
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        parts = zip(self.kinds.items(), outputs.split(self.outputs, 1), targets.unbind(1), strict=True)
        return {name: LOSSES[kind](part, target) for (name, kind), part, target in parts}
