"""Focal loss against its definition, at its limits, and where numbers overflow."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.errors import ZooError
from zoo.nn import FocalLoss

ALPHA = (0.2, 1.0, 0.5, 3.0)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return 2 * torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def by_hand(logits: Tensor, targets: Tensor, gamma: float, alpha: tuple[float, ...]) -> Tensor:
    """The definition, sample by sample."""
    losses = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        p = math.exp(row[target]) / sum(math.exp(z) for z in row)
        losses.append(-alpha[target] * (1 - p) ** gamma * math.log(p))
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_several_classes_equal_the_definition(gamma: float) -> None:
    logits, targets = draw(8, 4), torch.arange(8) % 4
    expected = by_hand(logits, targets, gamma, ALPHA)
    torch.testing.assert_close(FocalLoss(gamma, ALPHA, "none").double()(logits, targets), expected)
    torch.testing.assert_close(FocalLoss(gamma, ALPHA).double()(logits, targets), expected.mean())
    torch.testing.assert_close(FocalLoss(gamma, torch.tensor(ALPHA), "sum").double()(logits, targets), expected.sum())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [-1, 0.25])
def test_binary_equals_torchvision(gamma: float, alpha: float) -> None:
    from torchvision.ops import sigmoid_focal_loss

    logits, targets = draw(50).requires_grad_(), torch.arange(50) % 3 == 0
    ours = FocalLoss(gamma, None if alpha < 0 else alpha).double()(logits, targets)
    theirs = sigmoid_focal_loss(logits, targets.double(), alpha, gamma, "mean")
    torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=0)  # alpha is kept in float32
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)), atol=1e-8, rtol=0)


def test_binary_is_two_classes_one_with_the_logit_zero() -> None:
    logits, targets = draw(9), torch.arange(9) % 2
    two = torch.stack([torch.zeros_like(logits), logits], 1)
    one_number, two_numbers = FocalLoss(alpha=0.3), FocalLoss(alpha=[0.7, 0.3])
    torch.testing.assert_close(one_number(logits, targets.bool()), two_numbers(two, targets))
    torch.testing.assert_close(two_numbers(logits, targets.double()), two_numbers(two, targets))


def test_gamma_zero_is_cross_entropy() -> None:
    logits, targets = draw(20, 5, dtype=torch.float32), torch.arange(20) % 5
    assert torch.equal(
        FocalLoss(0, reduction="none")(logits, targets), F.cross_entropy(logits, targets, reduction="none")
    )
    torch.testing.assert_close(FocalLoss(0)(logits, targets), F.cross_entropy(logits, targets))
    weights = torch.tensor([1.0, 2.0, 3.0, 0.0, 0.5])
    torch.testing.assert_close(
        FocalLoss(0, weights, "sum")(logits, targets), F.cross_entropy(logits, targets, weights, reduction="sum")
    )
    answers = (targets > 2).float()
    torch.testing.assert_close(
        FocalLoss(0)(logits[:, 0], answers), F.binary_cross_entropy_with_logits(logits[:, 0], answers)
    )
    masked = torch.tensor([[0.0, -torch.inf, 1.0]])
    torch.testing.assert_close(FocalLoss(0)(masked, targets[:1]), F.cross_entropy(masked, targets[:1]))


def test_class_probabilities_give_the_mean_over_the_labels_they_stand_for() -> None:
    logits, loss = draw(6, 4), FocalLoss(alpha=ALPHA)
    one, other = torch.arange(6) % 4, torch.arange(6) * 3 % 4
    mixed = 0.7 * F.one_hot(one, 4) + 0.3 * F.one_hot(other, 4)
    torch.testing.assert_close(loss(logits, mixed), 0.7 * loss(logits, one) + 0.3 * loss(logits, other))
    soft, ones = FocalLoss(), torch.ones(6)
    torch.testing.assert_close(
        soft(logits[:, 0], 0.7 * ones), 0.7 * soft(logits[:, 0], ones) + 0.3 * soft(logits[:, 0], 0 * ones)
    )


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.5])
def test_gradcheck(gamma: float) -> None:
    logits, targets = draw(5, 4).requires_grad_(), torch.tensor([0, 1, 2, 3, 1])
    loss = FocalLoss(gamma, ALPHA).double()
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), (logits,))
    assert torch.autograd.gradgradcheck(lambda z: loss(z, targets), (logits,))
    binary = FocalLoss(gamma, 0.3).double()
    assert torch.autograd.gradcheck(lambda z: binary(z[:, 0], targets > 1), (logits,))


def slope(p: float, gamma: float) -> float:
    """The gradient in the logit of the true class that is given the probability p, by the loss."""
    logit = torch.tensor([math.log(p / (1 - p))], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(FocalLoss(gamma)(logit, torch.tensor([True])), logit)[0].item()


def test_the_slope_is_as_derived_and_easy_samples_fade() -> None:
    for p in (0.1, 0.5, 0.9, 0.999):
        for gamma in (0.5, 2.0):
            derived = (1 - p) ** gamma * (gamma * p * math.log(p) + p - 1)
            assert slope(p, gamma) == pytest.approx(derived, rel=1e-9)
    assert slope(0.9, 0) / slope(0.9, 2) == pytest.approx(35, abs=0.5)
    assert slope(0.1, 2) / slope(0.1, 0) == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("gamma", [0.0, 0.1, 1.0, 2.0])
def test_huge_logits_give_finite_losses_and_gradients(gamma: float, dtype: torch.dtype) -> None:
    logits = torch.tensor([[1e3, -1e3, 0.0], [-1e3, 1e3, 1e3], [0.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    many, one = FocalLoss(gamma, [1.0, 2.0, 3.0], "none"), FocalLoss(gamma, 0.25, "none")
    losses = [many(logits, targets) for targets in (torch.zeros(3).long(), torch.ones(3).long(), torch.ones(3, 3) / 3)]
    losses += [one(logits.flatten(), torch.full((9,), answer)) for answer in (0.0, 0.5, 1.0)]
    for loss in losses:
        assert loss.dtype == torch.float32 and loss.isfinite().all()
        assert torch.autograd.grad(loss.sum(), logits)[0].isfinite().all()
    hit, missed = FocalLoss(gamma)(logits[:1], torch.tensor([0])), FocalLoss(gamma)(logits[:1], torch.tensor([1]))
    assert hit.item() == 0 and missed.item() == pytest.approx(2000, rel=1e-2)


def test_the_order_of_samples_does_not_matter() -> None:
    logits, targets, order = draw(9, 4), torch.arange(9) % 4, torch.randperm(9)
    loss = FocalLoss(alpha=ALPHA)
    torch.testing.assert_close(loss(logits, targets), loss(logits[order], targets[order]))


def test_alpha_moves_with_the_module_and_stays_out_of_the_state_dict() -> None:
    loss = FocalLoss(alpha=ALPHA).to("meta")
    assert loss.alpha is not None and loss.alpha.is_meta and not loss.state_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": -1}, "gamma is -1"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"alpha": [0.5, -1]}, r"alpha is \[0.5, -1\]"),
        ({"reduction": "average"}, "unknown reduction 'average'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ZooError, match=message):
        FocalLoss(**arguments)


@pytest.mark.parametrize(("logits", "targets"), [((3, 1), (3,)), ((3, 4), (3, 2)), ((3,), (3, 1)), ((3, 4), (4,))])
def test_shapes_that_would_broadcast_are_refused(logits: tuple[int, ...], targets: tuple[int, ...]) -> None:
    with pytest.raises(ZooError, match="do not fit"):
        FocalLoss()(torch.zeros(logits), torch.zeros(targets, dtype=torch.int64))


def test_as_many_weights_as_classes_are_asked_for() -> None:
    with pytest.raises(ZooError, match=r"alpha \[1.0, 2.0\] is for 3 classes"):
        FocalLoss(alpha=[1, 2])(draw(5, 3), torch.zeros(5, dtype=torch.int64))
