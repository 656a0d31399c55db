"""What linear models on word counts reach: the figures that stand beside the recurrent networks on their cards.

Two of them. TF-IDF of words and word pairs, then a linear support vector machine; and whether a text holds a word, a
pair or a triple, each weighted by its naive Bayes log-count ratio, then a linear support vector machine (Wang & Manning
2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification, section 2.3, "NBSVM"; the triples are from
Mesnil et al. 2015, Ensemble of Generative and Discriminative Techniques for Sentiment Analysis of Movie Reviews). Their
one knob, C, is chosen on a held-out fifth of the training split, relatives (reviews of one film, phrases of one
sentence) together as far as the data tell; the test split is read once by each, at the end.

    python benchmarks/text_baseline.py imdb|sst2|trec

prints one JSON document, {NAME: {"value": accuracy, "C": ..., "validation": {C: accuracy}, "seconds": ...}}, which
`zoo publish --baselines` takes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from zoo.data import Split, hold_out, load

CHOICES = (0.1, 0.3, 1.0, 3.0)


def plain(text: str) -> str:
    return text.replace("<br />", " ").lower()


# The words are those of the zoo's tokenizer; an n-gram that one text alone holds says nothing.
WORDS: dict[str, Any] = {"token_pattern": r"\w+(?:'\w+)*|[^\w\s]", "preprocessor": plain, "min_df": 2}


class NaiveBayesSVM(ClassifierMixin, BaseEstimator):
    """One linear support vector machine a class, each on features of its own.

    A feature is 1 if the text holds the n-gram, times the n-gram's naive Bayes log-count ratio for the class; a text's
    features are then scaled to length 1. Of two classes one machine is enough.
    """

    def __init__(self, C: float = 1.0) -> None:
        self.C = C

    def fit(self, holds: sparse.csr_matrix, truth: np.ndarray) -> NaiveBayesSVM:
        self.classes_ = np.unique(truth)
        own = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        self.machines_ = []
        for label in own:
            ratios = self._shares(holds, truth == label) - self._shares(holds, truth != label)
            machine = LinearSVC(C=self.C, random_state=0).fit(self._scaled(holds, ratios), truth == label)
            self.machines_.append((ratios, machine))
        return self

    def predict(self, holds: sparse.csr_matrix) -> np.ndarray:
        scores = np.stack([m.decision_function(self._scaled(holds, ratios)) for ratios, m in self.machines_], 1)
        return self.classes_[(scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(1)]

    @staticmethod
    def _shares(holds: sparse.csr_matrix, rows: np.ndarray) -> np.ndarray:
        """The logarithm of each feature's share of all that these texts hold, after one more of each."""
        counts = np.asarray(holds[rows].sum(0)).ravel() + 1
        return np.log(counts / counts.sum())

    @staticmethod
    def _scaled(holds: sparse.csr_matrix, ratios: np.ndarray) -> sparse.csr_matrix:
        return normalize(holds @ sparse.diags(ratios))  # type: ignore[return-value]


def tfidf(c: float) -> Pipeline:
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **WORDS), LinearSVC(C=c))


def naive_bayes(c: float) -> Pipeline:
    return make_pipeline(CountVectorizer(ngram_range=(1, 3), binary=True, **WORDS), NaiveBayesSVM(c))


METHODS: dict[str, Callable[[float], Pipeline]] = {
    "TF-IDF (1-2 grams) + linear SVM": tfidf,
    "naive Bayes (1-3 grams) + linear SVM": naive_bayes,
}


def scores(model: Callable[[float], Pipeline], choices: tuple[float, ...], train: Split, test: Split) -> list[float]:
    """The accuracy on `test` with each C. The n-grams are counted once."""
    counter = model(1.0)[0]
    found, asked = counter.fit_transform(train.inputs), counter.transform(test.inputs)
    return [
        float(model(c)[-1].fit(found, train.targets.numpy()).score(asked, test.targets.numpy()))  # type: ignore
        for c in choices
    ]


def best_of(model: Callable[[float], Pipeline], name: str) -> dict[str, Any]:
    """The method's accuracy on the test split with the C that is best on the held-out part."""
    began = time.perf_counter()
    data = load(name)
    rest, held = hold_out(data.train, 0.2, seed=0)
    tried = scores(model, CHOICES, rest, held)
    best = CHOICES[tried.index(max(tried))]
    return {
        "value": scores(model, (best,), data.train, data.test)[0],
        "C": best,
        "validation": dict(zip(map(str, CHOICES), tried, strict=True)),
        "seconds": round(time.perf_counter() - began, 1),
        "command": f"python benchmarks/text_baseline.py {name}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Linear support vector machines on counts of words.")
    parser.add_argument("name", choices=("imdb", "sst2", "trec"), help="the data set")
    name = parser.parse_args().name
    print(json.dumps({method: best_of(model, name) for method, model in METHODS.items()}, indent=2))


if __name__ == "__main__":
    main()
