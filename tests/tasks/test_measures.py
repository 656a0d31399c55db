"""Further metrics agree with scikit-learn's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn import metrics

from zoo import tasks
from zoo.data.mnist_tasks import TASKS
from zoo.tasks import measures

SEVERAL: dict[str, Any] = {"tasks": TASKS}

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
    own = list(measures.own(task, SEVERAL if task.several else {}))
    assert own and list(measures.of(task, SEVERAL if task.several else {}))[: len(own)] == own


@pytest.mark.parametrize("name", tasks.names())
def test_what_a_figure_is_is_found_by_its_name(name: str) -> None:
    task = tasks.get(name)
    for metric, known in measures.of(task, SEVERAL if task.several else {}).items():
        found = measures.find(name, metric)
        assert (found.more_is_better, found.unit) == (known.more_is_better, known.unit), metric


def test_figures_are_shown_in_their_unit_and_the_spread_beside_them() -> None:
    share, error = measures.find("text-classification", "f1"), measures.find("regression", "rmse")
    assert share.more_is_better and not error.more_is_better
    assert measures.find("regression", "r2").more_is_better, "no error though of numbers"
    assert not measures.find("text-classification", "log_loss").more_is_better
    assert (share.show(0.98664), error.show(0.43123)) == ("98.66 %", "0.4312")
    assert measures.spread(share, {"mean": 0.5, "std": 0.01, "n": 2}) == "50.00 % ± 1.00 %"
    assert measures.spread(error, {"mean": 0.5, "std": 0.01, "n": 1}) == "0.5"
    foreign = measures.find("a-task-of-somebody", "bleu")
    assert (foreign.more_is_better, foreign.show(0.25)) == (False, "0.25")
