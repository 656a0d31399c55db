"""Further metrics agree with scikit-learn's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn import metrics

from zoo import tasks
from zoo.tasks import measures

LOGITS = torch.randn(200, 7, generator=torch.Generator().manual_seed(0))
TARGETS = torch.randint(0, 7, (200,), generator=torch.Generator().manual_seed(1))


def test_metrics_of_classes_are_scikit_learn_s() -> None:
    truth, called, p = TARGETS.numpy(), LOGITS.argmax(1).numpy(), LOGITS.double().softmax(1).numpy()
    expected = {
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, called),
        "precision": metrics.precision_score(truth, called, average="macro"),
        "recall": metrics.recall_score(truth, called, average="macro"),
        "f1": metrics.f1_score(truth, called, average="macro"),
        "top5_accuracy": metrics.top_k_accuracy_score(truth, p, k=5),
        "log_loss": metrics.log_loss(truth, p),
    }
    found = {name: metric(LOGITS, TARGETS) for name, metric in measures.CLASSES.items()}
    assert found == pytest.approx(expected)
    rows = measures.of_classes(LOGITS, TARGETS, list("abcdefg"))
    each: Any = metrics.precision_recall_fscore_support(truth, called)
    assert [row.count for row in rows] == each[3].tolist()
    assert [row.f1 for row in rows] == pytest.approx(each[2].tolist())


def test_a_class_without_rows_counts_for_no_mean() -> None:
    assert measures.balanced_accuracy(LOGITS[:, :3], TARGETS.clamp(max=1)) == pytest.approx(
        metrics.balanced_accuracy_score(TARGETS.clamp(max=1).numpy(), LOGITS[:, :3].argmax(1).numpy()), abs=1e-9
    )


def test_r2_is_scikit_learn_s_and_no_number_without_variance() -> None:
    outputs, targets = torch.randn(50, 1), torch.randn(50)
    assert measures.r2(outputs, targets) == pytest.approx(metrics.r2_score(targets.numpy(), outputs[:, 0].numpy()))
    assert measures.r2(outputs, torch.ones(50)) != measures.r2(outputs, torch.ones(50))


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_s_own_metrics_come_first(name: str) -> None:
    task = tasks.get(name)
    assert list(measures.of(task))[: len(task.metrics)] == list(task.metrics)
