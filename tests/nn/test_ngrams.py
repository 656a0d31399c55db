"""Weights of n-grams against counting by hand, against scikit-learn's solver, and beside a model of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from zoo._create import create
from zoo.nn import Ngrams
from zoo.nn.ngrams import naive_bayes_regression

TEXTS = [[5, 6, 7], [5, 6, 5, 6], [8, 9], [9, 9, 9, 7], [5], [8, 7, 9]]
CLASSES = [1, 1, 0, 0, 1, 0]


def batch(rows: list[list[int]], steps: int = 0) -> tuple[Tensor, Tensor]:
    tokens = torch.zeros(len(rows), max(steps, *map(len, rows)), dtype=torch.int64)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return tokens, torch.tensor([len(ids) for ids in rows])


def fitted(layer: Ngrams, classes: list[int] = CLASSES) -> Ngrams:
    layer.start_from([(batch(TEXTS[:4]), torch.tensor(classes[:4])), (batch(TEXTS[4:]), torch.tensor(classes[4:]))])
    return layer


def different(text: list[int], order: int) -> set[tuple[int, ...]]:
    return {tuple(text[i : i + n]) for n in range(1, order + 1) for i in range(len(text) - n + 1)}


@pytest.mark.parametrize("order", [1, 2, 3])
def test_each_different_ngram_of_a_text_counts_once(order: int) -> None:
    layer = Ngrams(2**20, 2, order)
    rows, first = layer.distinct(*batch([*TEXTS, []], steps=6))
    assert first.sum(1).tolist() == [len(different(text, order)) for text in [*TEXTS, []]]
    # An n-gram has one row, wherever it stands, and no two share one of a million.
    assert len(rows[first].unique()) == len(set().union(*(different(text, order) for text in TEXTS)))


def test_a_fresh_layer_says_nothing_and_is_not_trained() -> None:
    layer = Ngrams(64, 3)
    assert not layer(*batch(TEXTS)).any()
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    with pytest.raises(ValueError, match="order"):
        Ngrams(64, 3, order=0)


@pytest.mark.parametrize("classes", [2, 3])
def test_it_learns_what_it_was_started_from_and_padding_changes_nothing(classes: int) -> None:
    truth = CLASSES if classes == 2 else [1, 1, 0, 2, 1, 0]
    layer = fitted(Ngrams(2**12, classes, penalty=1e-4), truth)
    logits = layer(*batch(TEXTS))
    assert logits.shape == (6, classes) and logits.argmax(1).tolist() == truth
    torch.testing.assert_close(layer(*batch(TEXTS, steps=9)), logits)
    torch.testing.assert_close(layer(*batch(TEXTS[2:3])), logits[2:3])
    repeated, once = layer(*batch([[5, 5, 5], [5, 5]]))
    assert torch.equal(repeated, once)
    assert torch.equal(fitted(Ngrams(2**12, classes, penalty=1e-4), truth).weight, layer.weight)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_weights_are_those_of_scikit_learn_on_features_scaled_by_hand(classes: int) -> None:
    draw = np.random.default_rng(0)
    holds = (draw.random((80, 12)) < 0.4).astype(np.float64)
    truth = (holds[:, 0] + holds[:, 1] * (classes - 2) + (draw.random(80) < 0.2)).astype(int) % classes
    penalty, one_hot = 0.01, np.eye(classes)[truth]
    weight, bias = naive_bayes_regression(
        torch.tensor(holds).float().to_sparse(), torch.tensor(one_hot).float(), penalty
    )
    counts = np.stack([holds[truth == c].sum(0) for c in range(classes)])
    others = counts.sum(0) - counts
    ratios = np.log((counts + 1) / (counts + 1).sum(1, keepdims=True))
    ratios -= np.log((others + 1) / (others + 1).sum(1, keepdims=True))
    scores = (torch.tensor(holds).float() @ weight + bias).numpy()
    if classes == 2:
        scaled = holds * ratios[1]
        model = LogisticRegression(C=1 / (80 * penalty), tol=1e-10, max_iter=5000).fit(scaled, truth)
        np.testing.assert_allclose(scores[:, 0], model.decision_function(scaled), atol=2e-3)
    else:  # scikit-learn knows one scale a feature, not one a feature and class: so compare the stationary point
        probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        slope = holds.T @ (probabilities - one_hot) / 80
        np.testing.assert_allclose(slope * ratios.T**2 + penalty * weight.numpy(), 0, atol=2e-4)


@pytest.mark.parametrize("name", ["rnn_text", "bilstm_text", "bilstm_attn"])
def test_a_model_adds_them_in_eval_mode_alone(name: str) -> None:
    torch.manual_seed(0)
    model: Any = create(name, vocab_size=20, ngrams=256)
    fitted(model.ngrams)
    inputs = batch(TEXTS)
    learning = model(*inputs)
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(*inputs), learning + model.ngrams(*inputs))
        features = model.forward_features(*inputs)
        torch.testing.assert_close(model.forward_head(features), model(*inputs))
        assert model.forward_head(features, pre_logits=True).shape == (6, model.num_features)
    learning.sum().backward()
    assert model.ngrams.weight.grad is None
    model.reset_classifier(4)
    assert model(*inputs).shape == (6, 4) and model.ngrams is None
