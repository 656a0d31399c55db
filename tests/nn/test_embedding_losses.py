"""Contrastive and triplet loss against loops over pairs and triplets, and where there are none."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import ZooError
from zoo.nn import ContrastiveLoss, TripletLoss
from zoo.nn.embedding_losses import pairwise_distances

LABELS = torch.tensor([0, 1, 0, 2, 1, 1, 0])
BOTH = pytest.mark.parametrize("loss", [ContrastiveLoss(1.5), TripletLoss(0.7)], ids=["contrastive", "triplet"])


def draw(n: int = 7, features: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, features, dtype=dtype, generator=torch.Generator().manual_seed(n)).requires_grad_()


def contrastive_by_hand(x: Tensor, labels: Tensor, margin: float) -> float:
    costs = []
    for i, j in itertools.combinations(range(len(x)), 2):
        distance = (x[i] - x[j]).norm().item()
        costs.append((distance if labels[i] == labels[j] else max(0.0, margin - distance)) ** 2 / 2)
    return sum(costs) / len(costs)


def triplet_by_hand(x: Tensor, labels: Tensor, margin: float) -> float:
    """The largest cost of all triplets of each anchor, since the hardest ones stand for them all."""
    worst: dict[int, float] = {}
    for a, p, n in itertools.product(range(len(x)), repeat=3):
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
            cost = ((x[a] - x[p]).norm() - (x[a] - x[n]).norm()).item() + margin
            worst[a] = max(worst.get(a, 0.0), cost)
    return sum(worst.values()) / len(worst)


@pytest.mark.parametrize("margin", [0.2, 1.0, 3.0])
def test_equal_loops_over_pairs_and_triplets(margin: float) -> None:
    x = draw()
    assert ContrastiveLoss(margin)(x, LABELS).item() == pytest.approx(contrastive_by_hand(x, LABELS, margin), rel=1e-9)
    # torch's triplet loss adds 1e-6 to every difference.
    assert TripletLoss(margin)(x, LABELS).item() == pytest.approx(triplet_by_hand(x, LABELS, margin), rel=1e-5)


def test_one_anchors_triplet_is_torchs_own() -> None:
    x = draw(3)
    loss = TripletLoss(1.0)(x, torch.tensor([0, 0, 1]))
    theirs = F.triplet_margin_loss(x[[0, 1]], x[[1, 0]], x[[2, 2]], margin=1.0)
    torch.testing.assert_close(loss, theirs)


@BOTH
def test_gradcheck(loss: nn.Module) -> None:
    assert torch.autograd.gradcheck(lambda x: loss(x, LABELS), (draw(),))
    assert torch.autograd.gradgradcheck(lambda x: loss(x, LABELS), (draw(),))


@BOTH
def test_order_place_and_turn_do_not_matter(loss: nn.Module) -> None:
    x, order = draw(), torch.randperm(7)
    cost = loss(x, LABELS)
    rotation = torch.linalg.qr(draw(3)).Q
    torch.testing.assert_close(loss(x[order], LABELS[order]), cost)
    torch.testing.assert_close(loss(x @ rotation + 5, 10 - LABELS), cost, rtol=1e-5, atol=1e-5)


@BOTH
def test_labels_apart_by_more_than_the_margin_cost_nothing(loss: nn.Module) -> None:
    centres = 10 * torch.eye(3)[LABELS]
    x = centres.clone().requires_grad_()
    cost = loss(x, LABELS)
    (gradient,) = torch.autograd.grad(cost, x)
    assert cost.item() == 0 and not gradient.any()
    assert loss(centres[:, [1, 2, 0]] * 0.01, LABELS).item() > 0


@BOTH
def test_a_step_against_the_gradient_sorts_the_labels(loss: nn.Module) -> None:
    x, before = draw().detach(), 0.0
    for step in range(200):
        x = x.detach().requires_grad_()
        cost = loss(x, LABELS)
        before = before if step else cost.item()
        x = x - 0.3 * torch.autograd.grad(cost, x)[0]
    distances = pairwise_distances(x)
    nearest = distances.fill_diagonal_(torch.inf).argmin(1)
    pairs = LABELS != 2  # which has one sample alone
    assert loss(x, LABELS).item() < 0.05 * before and (LABELS[nearest] == LABELS)[pairs].all()


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rows_that_coincide_have_finite_gradients(loss: nn.Module, dtype: torch.dtype) -> None:
    x = torch.ones(4, 3, dtype=dtype, requires_grad=True)
    cost = loss(x, torch.tensor([0, 0, 1, 1]))
    assert cost.dtype == torch.float32 and cost.item() > 0
    cost.backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("labels", [[], [3], [3, 3, 3], [1, 2, 3]], ids=str)
def test_a_batch_without_a_triplet_costs_nothing(labels: list[int]) -> None:
    x = draw(len(labels))
    cost = TripletLoss()(x, torch.tensor(labels, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(cost, x)
    assert cost.item() == 0 and not gradient.any()


@pytest.mark.parametrize("labels", [[], [3]], ids=str)
def test_a_batch_without_a_pair_costs_nothing(labels: list[int]) -> None:
    x = draw(len(labels))
    cost = ContrastiveLoss()(x, torch.tensor(labels, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(cost, x)
    assert cost.item() == 0 and not gradient.any()


def test_anchors_without_a_positive_do_not_count_in_the_mean() -> None:
    x = draw()
    with_one_more = torch.cat([x, x.new_full((1, 3), 50.0)])
    torch.testing.assert_close(
        TripletLoss(1.0)(with_one_more, torch.cat([LABELS, torch.tensor([9])])), TripletLoss(1.0)(x, LABELS)
    )


def test_small_distances_far_from_the_origin_are_exact() -> None:
    x = torch.tensor([[100.0, 0.0], [100.0, 2.0**-10]])
    assert pairwise_distances(x).tolist() == [[0.0, 2.0**-10], [2.0**-10, 0.0]]


@pytest.mark.parametrize("loss", [ContrastiveLoss(), TripletLoss()])
def test_an_embedding_that_is_not_finite_shows_in_the_loss(loss: nn.Module) -> None:
    assert loss(torch.full((4, 3), torch.nan), torch.tensor([0, 0, 1, 1])).isnan()


@pytest.mark.parametrize("loss", [ContrastiveLoss(), TripletLoss()])
@pytest.mark.parametrize("labels", [(4, 1), (3,), ()])
def test_labels_that_do_not_fit_are_refused(loss: nn.Module, labels: tuple[int, ...]) -> None:
    with pytest.raises(ZooError, match=r"do not fit; give \(N, D\) and \(N,\)\."):
        loss(torch.zeros(4, 3), torch.zeros(labels, dtype=torch.int64))
