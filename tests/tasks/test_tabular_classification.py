from __future__ import annotations

import math

import pytest
import torch

from zoo.tasks.tabular_classification import TASK, average_precision, roc_auc


def test_roc_auc_is_the_share_of_pairs_in_the_right_order():
    draw = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(60, 2, generator=draw), torch.randint(0, 2, (60,), generator=draw)
    logits[::7] = 0.0  # ties count half
    score = logits[:, 1] - logits[:, 0]
    ahead = score[targets == 1, None] - score[None, targets == 0]
    assert roc_auc(logits, targets) == pytest.approx(((ahead > 0).float() + (ahead == 0).float() / 2).mean().item())


def test_average_precision_is_the_mean_precision_at_each_positive():
    logits = torch.tensor([[0, 4.0], [0, 3.0], [0, 2.0], [0, 1.0], [0, 0.0]])
    assert average_precision(logits, torch.tensor([0, 1, 0, 1, 0])) == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert average_precision(logits, torch.tensor([1, 1, 0, 0, 0])) == 1


def test_certainty_makes_no_ties():
    logits = torch.tensor([[-20.0, 20.0], [-21.0, 21.0]])
    assert roc_auc(logits, torch.tensor([0, 1])) == average_precision(logits, torch.tensor([0, 1])) == 1


def test_of_more_classes_it_is_the_mean_over_them():
    logits = torch.tensor([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [0, 2, 0]])
    assert roc_auc(logits, torch.tensor([0, 1, 2, 1])) == 1
    # One class is separated from the rest as by a coin; for the other two every pair is right.
    level = torch.tensor([[1.0, 1, 0], [0, 0, 9], [1, 1, 0]])
    assert roc_auc(level, torch.tensor([0, 2, 1])) == pytest.approx((0.75 + 0.75 + 1) / 3)


@pytest.mark.parametrize("metric", [roc_auc, average_precision])
def test_a_batch_of_one_class_has_no_value(metric):
    assert math.isnan(metric(torch.randn(3, 2), torch.tensor([1, 1, 1])))
    assert math.isnan(metric(torch.randn(3, 3), torch.tensor([1, 0, 1])))


def test_the_first_metric_does_not_depend_on_a_threshold():
    assert next(iter(TASK.metrics)) == "roc_auc"
