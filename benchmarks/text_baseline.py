"""What a linear model on word counts reaches: the figure that stands beside the recurrent networks on their cards.

TF-IDF of words and word pairs, then a linear support vector machine (Wang & Manning 2012, Baselines and Bigrams:
Simple, Good Sentiment and Topic Classification). Its one knob, C, is chosen on a held-out fifth of the training split,
relatives (reviews of one film, phrases of one sentence) together as far as the data tell; the test split is read once,
at the end.

    python benchmarks/text_baseline.py imdb|sst2|trec

prints one JSON document, {NAME: {"value": accuracy, "C": ..., "validation": {C: accuracy}, "seconds": ...}}, which
`zoo publish --baselines` takes.
"""

from __future__ import annotations

import argparse
import json
import time

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from zoo.data import Split, hold_out, load

CHOICES = (0.1, 0.3, 1.0, 3.0)


def linear(c: float) -> Pipeline:
    """Unfitted. The words are those of the zoo's tokenizer; a pair that one text alone holds tells nothing."""
    words = TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"\w+(?:'\w+)*|[^\w\s]", preprocessor=plain
    )
    return make_pipeline(words, LinearSVC(C=c))


def plain(text: str) -> str:
    return text.replace("<br />", " ").lower()


def accuracy(c: float, train: Split, test: Split) -> float:
    return float(linear(c).fit(train.inputs, train.targets.numpy()).score(test.inputs, test.targets.numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description="TF-IDF and a linear support vector machine.")
    parser.add_argument("name", choices=("imdb", "sst2", "trec"), help="the data set")
    began = time.perf_counter()
    name = parser.parse_args().name
    data = load(name)
    rest, held = hold_out(data.train, 0.2, seed=0)
    validation = {c: accuracy(c, rest, held) for c in CHOICES}
    best = max(CHOICES, key=lambda c: validation[c])
    result = {
        "value": accuracy(best, data.train, data.test),
        "C": best,
        "validation": validation,
        "seconds": round(time.perf_counter() - began, 1),
        "command": f"python benchmarks/text_baseline.py {name}",
    }
    print(json.dumps({"TF-IDF (1-2 grams) + linear SVM": result}, indent=2))


if __name__ == "__main__":
    main()
