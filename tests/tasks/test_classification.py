from __future__ import annotations

import json
import math

import pytest
import torch

from zoo.tasks.classification import Classification, accuracy, answer


def test_answer_is_the_softmax_best_first():
    first, second = answer(torch.tensor([[0.0, math.log(3), 0.0], [2.0, -100.0, 1.0]]), ["a", "b", "c"])
    assert (first.label, first.probability) == ("b", pytest.approx(0.6))
    assert [top.label for top in second.top] == ["a", "c", "b"]
    assert sum(top.probability for top in second.top) == pytest.approx(1)
    assert first.top[0].label == first.label and first.top[0].probability == first.probability


def test_top_holds_five_of_many_labels():
    (only,) = answer(torch.arange(10.0)[None], [str(i) for i in range(10)])
    assert [top.label for top in only.top] == ["9", "8", "7", "6", "5"]


def test_half_precision_logits_give_whole_probabilities():
    (only,) = answer(torch.tensor([[10.0, 9.0]], dtype=torch.bfloat16), ["a", "b"])
    assert only.probability == pytest.approx(1 / (1 + math.exp(-1)), abs=1e-6)


def test_to_dict_is_json_and_names_attention_only_if_there_is_some():
    (plain,) = answer(torch.tensor([[1.0, 0.0]]), ["a", "b"])
    assert set(json.loads(json.dumps(plain.to_dict()))) == {"label", "probability", "top"}
    attentive = Classification(plain.label, plain.probability, plain.top, [("good", 0.75), ("film", 0.25)])
    assert attentive.to_dict()["attention"] == [{"word": "good", "weight": 0.75}, {"word": "film", "weight": 0.25}]


def test_accuracy_counts_rows():
    logits, targets = torch.tensor([[2.0, 1, 0], [0, 2, 1], [0, 1, 2], [3, 0, 0]]), torch.tensor([0, 1, 0, 2])
    assert accuracy(logits, targets) == 0.5
    # A class's size must not weigh: three of four right is 0.75 even if one class has three of the rows.
    assert accuracy(torch.eye(3)[[0, 0, 0, 1]], torch.tensor([0, 0, 0, 2])) == 0.75
