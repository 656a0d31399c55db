from __future__ import annotations

import json
import math

import pytest
import torch

from zoo import tasks
from zoo.data.mnist_tasks import TASKS

TASK = tasks.get("multi-task")


def outputs_for(digits: list[int], odd: list[float], thickness: list[float]) -> torch.Tensor:
    """Logits that give these digits 9 to 1, these logits of being odd, and these widths."""
    logits = torch.full((len(digits), 10), -50.0)
    for row, digit in enumerate(digits):
        logits[row, digit], logits[row, (digit + 1) % 10] = math.log(9), 0.0
    return torch.cat([logits, torch.tensor([odd, thickness]).T], 1)


OUTPUTS = outputs_for([3, 4, 9, 0], [2.0, 1.0, 0.5, -3.0], [2.0, 3.0, 4.0, 1.0])
TARGETS = torch.tensor([[3.0, 1, 2.5], [4, 0, 3], [8, 0, 4], [0, 0, 2]])


def test_each_task_has_a_metric_of_its_own():
    metrics = {name: metric(OUTPUTS, TARGETS) for name, metric in TASK.of_targets(TASKS).items()}
    assert list(metrics) == ["digit_accuracy", "odd_accuracy", "thickness_rmse", "sum_of_losses"]
    assert metrics["digit_accuracy"] == 0.75
    assert metrics["odd_accuracy"] == 0.5
    assert metrics["thickness_rmse"] == pytest.approx(math.sqrt((0.25 + 1) / 4))


def test_the_sum_of_losses_is_unweighted():
    targets = TARGETS.clone()
    targets[2] = torch.tensor([9.0, 1, 4])
    digit = -math.log(0.9)
    odd = sum(math.log1p(math.exp(-x)) for x in (2.0, -1.0, 0.5, 3.0)) / 4
    assert TASK.of_targets(TASKS)["sum_of_losses"](OUTPUTS, targets) == pytest.approx(digit + odd + 1.25 / 4)


def test_each_task_is_answered_by_its_name():
    first, second, *_ = TASK.answer(OUTPUTS.bfloat16(), [None] * 4, {"input": {"tasks": TASKS}})
    assert first.answer == {"digit": 3, "odd": True, "thickness": 2.0}
    assert first.probability == pytest.approx({"digit": 0.9, "odd": 1 / (1 + math.exp(-2))}, abs=2e-3)
    assert second.answer["odd"] is True
    assert json.loads(json.dumps(first.to_dict()))["answer"] == first.answer


def test_a_probability_is_that_of_what_was_answered():
    *_, last = TASK.answer(OUTPUTS, [None] * 4, {"input": {"tasks": TASKS}})
    assert last.answer["odd"] is False and last.probability["odd"] == pytest.approx(1 / (1 + math.exp(-3)))
