"""Texts: the most frequent class; TF-IDF of words and pairs of words with a logistic regression."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from zoo.baselines import Given, Method
from zoo.baselines.linear import logistic, majority, scores
from zoo.tasks import Task

PART = 10_000
"""Test texts at a time."""


def tfidf(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    split: list[str] = given.train.inputs
    words = TfidfVectorizer(
        token_pattern=r"(?u)\w+|[^\w\s]",  # marks too: ! and ? say much about a short text
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=2 if len(split) > 1000 else 1,
        max_features=100_000,
    )
    # A weaker penalty than by default: a text has only few of the many features.
    model = logistic(words.fit_transform(split), given, strength=10.0)
    for start in range(0, len(given.held), PART):
        texts = given.held.inputs[start : start + PART]
        yield scores(model, words.transform(texts), len(given.labels)), given.held.targets[start : start + PART]


def methods(task: Task) -> dict[str, Method]:
    return {"majority": Method(majority), "TF-IDF + linear": Method(tfidf, 20_000)}
