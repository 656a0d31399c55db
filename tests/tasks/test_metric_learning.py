from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from zoo import tasks
from zoo.tasks import metric_learning
from zoo.tasks.metric_learning import recall_at_1


def test_recall_counts_rows_whose_nearest_other_row_has_their_label():
    embeddings = torch.tensor([[0.0, 0], [0, 1], [5, 5], [5, 6], [0, 2.5]])
    # The last row's nearest is the second, whose own nearest is the first.
    assert recall_at_1(embeddings, torch.tensor([3, 3, 1, 1, 1])) == 0.8
    assert recall_at_1(embeddings, torch.tensor([0, 1, 2, 3, 4])) == 0.0


@pytest.mark.parametrize("chunk", [7, 50, 1000])
def test_recall_is_that_of_scikit_learn_however_the_rows_are_parted(chunk: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metric_learning, "CHUNK", chunk)
    torch.manual_seed(0)
    labels = torch.randint(3, (50,))
    embeddings = torch.randn(50, 4) + labels[:, None]
    right = 0
    for row in range(50):
        others = np.arange(50) != row
        nearest = KNeighborsClassifier(1).fit(embeddings[others], labels[others])
        right += nearest.predict(embeddings[row : row + 1])[0] == labels[row]
    assert 0.2 < right / 50 < 0.9, "nothing to compare"
    assert recall_at_1(embeddings, labels) == right / 50


def test_recall_leaves_the_embeddings_as_they_are():
    embeddings = torch.randn(20, 4)
    before = embeddings.clone()
    recall_at_1(embeddings, torch.arange(20))
    assert torch.equal(embeddings, before)


def test_the_answer_is_the_embedding():
    task = tasks.get("metric-learning")
    first, second = task.answer(torch.tensor([[0.5, -0.5], [1.0, 0.0]], dtype=torch.bfloat16), [None, None], {})
    assert first.answer == [0.5, -0.5]
    assert json.loads(json.dumps(second.to_dict())) == {"answer": [1.0, 0.0]}
