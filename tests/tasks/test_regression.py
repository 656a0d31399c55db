from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from zoo.tasks.regression import TASK, Value, answer, mae, rmse


def test_an_answer_is_the_number_and_its_unit():
    answers = answer(torch.tensor([[1.5], [-2.0]], dtype=torch.bfloat16), [None, None], {"input": {"unit": "m"}})
    assert answers == [Value(1.5, "m"), Value(-2.0, "m")]
    assert json.loads(json.dumps(answers[0].to_dict())) == {"answer": 1.5, "unit": "m"}


def test_the_errors_are_those_of_scikit_learn():
    draw = np.random.default_rng(0)
    outputs, targets = draw.normal(size=(1000, 1)).astype("float32"), draw.normal(size=1000).astype("float32")
    ours = torch.from_numpy(outputs), torch.from_numpy(targets)
    assert rmse(*ours) == pytest.approx(root_mean_squared_error(targets, outputs[:, 0]), rel=1e-6)
    assert mae(*ours) == pytest.approx(mean_absolute_error(targets, outputs[:, 0]), rel=1e-6)


def test_less_is_better_and_the_first_metric_is_the_root_mean_square():
    assert next(iter(TASK.metrics)) == "rmse" and TASK.losses[0] == "mse"
