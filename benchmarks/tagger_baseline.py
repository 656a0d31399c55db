"""What tagging without a network reaches: the figures that stand beside the taggers on their cards.

The tag that each word had most often in the training split, an unknown word's by its last three letters; and a linear
support vector machine over a word, its beginning and its endings, its shape, and the two words on either side of it
(Giménez & Màrquez 2004, SVMTool, section 2, with hashed features). The one knob, C, is chosen on the validation
split of the authors; the test split is read once, at the end.

    python benchmarks/tagger_baseline.py

prints one JSON document, {NAME: {"value": accuracy, ...}}, which `zoo publish --baselines` takes.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

from sklearn.feature_extraction import FeatureHasher
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from zoo.data import Split, load
from zoo.data.words import SEPARATOR

CHOICES = (0.1, 0.3, 1.0, 3.0)


def sentences(split: Split) -> list[list[str]]:
    texts: list[str] = split.inputs  # type: ignore[assignment]
    return [text.split(SEPARATOR) for text in texts]


def tags(split: Split) -> list[int]:
    """Of every word, sentence after sentence."""
    return split.targets[split.targets >= 0].tolist()


def most_frequent(train: Split, test: Split) -> float:
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    for word, tag in zip((word for sentence in sentences(train) for word in sentence), tags(train), strict=True):
        for key in (word, f"…{word[-3:]}", "…"):
            seen[key][tag] += 1
    words = [word for sentence in sentences(test) for word in sentence]
    keys = (next(key for key in (word, f"…{word[-3:]}", "…") if key in seen) for word in words)
    answers = [seen[key].most_common(1)[0][0] for key in keys]
    return sum(answer == tag for answer, tag in zip(answers, tags(test), strict=True)) / len(answers)


def features(split: Split) -> Iterator[list[str]]:
    """Of every word: itself, its beginning, endings and shape, and its neighbours, each with where it stands."""
    for sentence in sentences(split):
        around = ["", "", *(word.lower() for word in sentence), "", ""]
        for place, word in enumerate(sentence):
            shape = re.sub(r"(.)\1+", r"\1", re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"\d", "0", word))))
            near = around[place : place + 5]
            yield [
                *(f"{offset}={neighbour}" for offset, neighbour in enumerate(near)),
                *(f"ends={near[2][-length:]}" for length in (1, 2, 3, 4)),
                f"begins={near[2][:3]}",
                f"shape={shape[:8]}",
                f"1,2={near[1]},{near[2]}",
                f"2,3={near[2]},{near[3]}",
            ]


def linear(c: float) -> Pipeline:
    return make_pipeline(FeatureHasher(2**20, input_type="string", alternate_sign=False), LinearSVC(C=c))


def main() -> None:
    began = time.perf_counter()
    data = load("ud_english_ewt")
    assert data.validation is not None
    simple = {"value": most_frequent(data.train, data.test), "seconds": round(time.perf_counter() - began, 1)}
    began, inputs, targets = time.perf_counter(), list(features(data.train)), tags(data.train)
    fitted = {c: linear(c).fit(inputs, targets) for c in CHOICES}
    held, truth = list(features(data.validation)), tags(data.validation)
    validation = {c: float(model.score(held, truth)) for c, model in fitted.items()}
    best = max(CHOICES, key=lambda c: validation[c])
    machine = {
        "value": float(fitted[best].score(list(features(data.test)), tags(data.test))),
        "C": best,
        "validation": validation,
        "seconds": round(time.perf_counter() - began, 1),
    }
    results = {"linear SVM over words, endings and neighbours": machine, "most frequent tag": simple}
    command = {"command": "python benchmarks/tagger_baseline.py"}
    print(json.dumps({name: {**result, **command} for name, result in results.items()}, indent=2))


if __name__ == "__main__":
    main()
