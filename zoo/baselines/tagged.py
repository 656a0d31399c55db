"""Tagged sentences: the most frequent tag; each word's most frequent tag."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.baselines import Given, Method
from zoo.data.split import IGNORED, Split
from zoo.data.words import SEPARATOR
from zoo.tasks import Task


def majority(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    held = given.held.targets[given.held.targets != IGNORED]
    yield _shares(given).log().expand(len(held), -1), held


def of_words(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    """The tags of the word as it is written; if training never saw it, the tags of its small letters, or else of all
    words."""
    known: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for word, tag in _pairs(given.train):
        known[word][tag] += 1
        if word != word.lower():
            known[word.lower()][tag] += 1
    every = _shares(given)
    rows: dict[str, Tensor] = {}
    found, truth = [], []
    for word, tag in _pairs(given.held):
        if word not in rows:
            counts = known.get(word) or known.get(word.lower()) or {}
            met = torch.zeros(len(given.labels))
            for one, count in counts.items():
                met[one] = count
            rows[word] = ((met + every) / (met.sum() + 1)).log()
        found.append(rows[word])
        truth.append(tag)
    yield torch.stack(found), torch.tensor(truth)


def _shares(given: Given) -> Tensor:
    """The share of each tag in the training part, none 0."""
    truth = given.train.targets
    counts = torch.bincount(truth[truth != IGNORED], minlength=len(given.labels)).float() + 0.01
    return counts / counts.sum()


def _pairs(split: Split) -> Iterator[tuple[str, int]]:
    for sentence, tags in zip(split.inputs, split.targets.tolist(), strict=True):
        yield from zip(str(sentence).split(SEPARATOR), tags, strict=False)  # padding follows the last word


def methods(task: Task) -> dict[str, Method]:
    return {"majority tag": Method(majority), "each word's tag": Method(of_words, 50_000)}
