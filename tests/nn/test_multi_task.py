"""The weighted sum of several tasks' losses: its parts, its optimum, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import ZooError
from zoo.nn import MultiTaskLoss

TASKS = {
    "digit": {"kind": "classification", "outputs": 3},
    "even": {"kind": "binary", "outputs": 1},
    "stroke": {"kind": "regression", "outputs": 1},
}


def draw(n: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    targets = torch.stack([torch.arange(n) % 3, torch.arange(n) % 2, torch.randn(n, generator=generator)], 1)
    return outputs, targets.double()


def test_each_tasks_own_loss_is_torchs() -> None:
    outputs, targets = draw()
    losses = MultiTaskLoss(TASKS).losses(outputs, targets)
    assert list(losses) == ["digit", "even", "stroke"]
    torch.testing.assert_close(losses["digit"], F.cross_entropy(outputs[:, :3], targets[:, 0].long()))
    torch.testing.assert_close(losses["even"], F.binary_cross_entropy_with_logits(outputs[:, 3], targets[:, 1]))
    torch.testing.assert_close(losses["stroke"], F.mse_loss(outputs[:, 4], targets[:, 2]))


def test_equal_weighting_is_the_sum_and_learns_nothing() -> None:
    outputs, targets = draw()
    loss = MultiTaskLoss(TASKS, "equal")
    torch.testing.assert_close(loss(outputs, targets), sum(loss.losses(outputs, targets).values()))
    assert not list(loss.parameters()) and not loss.state_dict()


def test_equals_minus_the_gaussian_log_likelihood() -> None:
    """What the derivation starts from, but for the constant log(2 π) / 2."""
    outputs, targets = draw()
    loss = MultiTaskLoss({"stroke": TASKS["stroke"]}).double()
    assert loss.log_variances is not None
    nn.init.constant_(loss.log_variances, math.log(0.7))
    expected = F.gaussian_nll_loss(outputs[:, 4], targets[:, 2], torch.full((8,), 0.7, dtype=torch.float64))
    torch.testing.assert_close(loss(outputs[:, 4:], targets[:, 2:]), expected)


def test_the_optimum_for_fixed_losses_is_as_derived() -> None:
    outputs, targets = draw()
    loss = MultiTaskLoss(TASKS).double()
    digit, even, stroke = loss.losses(outputs, targets).values()
    derived = torch.stack([(2 * digit).log(), (2 * even).log(), stroke.log()]).requires_grad_()

    def at(s: Tensor) -> Tensor:
        return torch.func.functional_call(loss, {"log_variances": s}, (outputs, targets))

    (gradient,) = torch.autograd.grad(at(derived), derived)
    torch.testing.assert_close(gradient, torch.zeros(3, dtype=torch.float64))
    for step in 0.1 * torch.eye(3):
        assert at(derived + step) > at(derived) < at(derived - step)


def test_at_the_optimum_the_unit_of_a_regression_does_not_matter() -> None:
    outputs, targets = draw()
    gradients = []
    for unit in (1.0, 1000.0):
        shared = torch.ones(1, dtype=torch.float64, requires_grad=True)
        loss = MultiTaskLoss({"stroke": TASKS["stroke"]}).double()
        assert loss.log_variances is not None
        predicted, wanted = unit * shared * outputs[:, 4:], unit * targets[:, 2:]
        nn.init.constant_(loss.log_variances, loss.losses(predicted, wanted)["stroke"].log().item())
        gradients += torch.autograd.grad(loss(predicted, wanted), shared)
    torch.testing.assert_close(*gradients)


def test_gradcheck() -> None:
    outputs, targets = draw()
    loss = MultiTaskLoss(TASKS).double()
    s = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64, requires_grad=True)

    def run(outputs: Tensor, s: Tensor) -> Tensor:
        return torch.func.functional_call(loss, {"log_variances": s}, (outputs, targets))

    assert torch.autograd.gradcheck(run, (outputs.requires_grad_(), s))
    assert torch.autograd.gradgradcheck(run, (outputs, s))


def test_the_order_of_samples_and_of_tasks_does_not_matter() -> None:
    outputs, targets = draw()
    loss, order = MultiTaskLoss(TASKS), torch.randperm(8)
    torch.testing.assert_close(loss(outputs[order], targets[order]), loss(outputs, targets))
    turned = MultiTaskLoss({name: TASKS[name] for name in ("stroke", "digit", "even")})
    torch.testing.assert_close(turned(outputs[:, [4, 0, 1, 2, 3]], targets[:, [2, 0, 1]]), loss(outputs, targets))


def test_the_weights_are_parameters_that_a_state_dict_carries() -> None:
    loss = MultiTaskLoss(TASKS)
    assert [name for name, _ in loss.named_parameters()] == ["log_variances"] == list(loss.state_dict())
    outputs, targets = draw()
    loss(outputs.float(), targets.float()).backward()
    assert loss.log_variances is not None and loss.log_variances.grad is not None and loss.log_variances.grad.all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    outputs, targets = draw()
    total = MultiTaskLoss(TASKS)(1e3 * outputs.to(dtype), targets.float())
    assert total.dtype == torch.float32 and total.isfinite()


@pytest.mark.parametrize(
    ("tasks", "weighting", "message"),
    [
        ({}, "learned", "no tasks"),
        (TASKS, "learnt", "unknown weighting 'learnt'; did you mean learned"),
        ({"digit": {"kind": "classes", "outputs": 3}}, "learned", "unknown kind of task digit 'classes'"),
        ({"digit": {"kind": "classification", "outputs": 1}}, "learned", "digit is a classification with 1 outputs"),
        ({"even": {"kind": "binary", "outputs": 2}}, "learned", "even is a binary with 2 outputs"),
        ({"even": {"kind": "regression", "outputs": 0}}, "learned", "even is a regression with 0 outputs"),
    ],
)
def test_wrong_descriptions_of_tasks_are_refused(tasks: dict[str, Any], weighting: str, message: str) -> None:
    with pytest.raises(ZooError, match=message):
        MultiTaskLoss(tasks, weighting)
