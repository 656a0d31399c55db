"""The checks of a data set: each is a function that gives findings, or none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.data.split import DataSet, Split
from zoo.data.words import SEPARATOR

FEW = 5
"""A class with fewer examples than this cannot be learned, and a figure on it means nothing."""
LONG = 400
"""The number of words that text models read by default; they leave out the middle of a longer text."""
GIVES_AWAY = 0.99
"""A column whose AUC or R² for the target is above this most likely holds the target under another name."""
SHOWN = 3
ALIKE, COMPARED = 0.99, 50
"""The correlation from which two pictures count as alike, and how many pictures with equal hashes are compared."""
SMALL = 28
"""Pictures with sides below this (pixels) are not compared: 64 bits say too little about them; 8 x 8 digits differ in
less."""


@dataclass(frozen=True)
class Finding:
    """A fault: which check found it, how many examples have it, and a sentence with up to three of them."""

    check: str
    count: int
    message: str


def found(whole: DataSet, labels: Mapping[str, int]) -> list[Finding]:
    """All findings; first those that make a figure wrong, then those that lower it."""
    checks: tuple[Callable[[DataSet, Mapping[str, int]], Iterator[Finding]], ...] = (
        _across, _gives_away, _two_labels, _within, _near, _few, _empty, _long,
    )  # fmt: skip
    return [finding for check in checks for finding in check(whole, labels)]


def _keys(part: Split, kind: str) -> list[Hashable]:
    """A key for each input, equal for equal inputs; empty for data whose parts follow each other in time."""
    if kind in ("series", "characters"):
        return []
    if isinstance(part.inputs, Tensor):
        rows = part.inputs.nan_to_num(nan=-1.2345e30) if part.inputs.is_floating_point() else part.inputs
        return [row.tobytes() for row in rows.flatten(1).contiguous().numpy()]
    if kind == "image":
        return []  # paths of pictures: the reader has compared their bytes
    return list(part.inputs)


def _said(part: Split, row: int, kind: str) -> str:
    """An input in a few words; for a table or a picture, its place."""
    if isinstance(part.inputs, Tensor):
        return f"row {row + 1}"
    text = part.inputs[row].replace(SEPARATOR, " ")
    return repr(text if len(text) <= 50 else f"{text[:49]}…")


def _examples(part: Split, rows: Sequence[int], kind: str) -> str:
    shown = ", ".join(_said(part, row, kind) for row in rows[:SHOWN])
    return shown + (", …" if len(rows) > SHOWN else "")


def _across(whole: DataSet, labels: Mapping[str, int]) -> Iterator[Finding]:
    known = set(_keys(whole.train, whole.kind))
    for name, part in (("test", whole.test), ("validation", whole.validation)):
        if part is None:
            continue
        rows = [row for row, key in enumerate(_keys(part, whole.kind)) if key in known]
        if rows:
            share = f"{100 * len(rows) / len(part):.1f} % of the {name} part"
            yield Finding(
                "duplicates across parts",
                len(rows),
                f"{len(rows):,} examples ({share}) stand in the training part too, so that remembering looks like "
                f"skill: {_examples(part, rows, whole.kind)}.",
            )


def _within(whole: DataSet, labels: Mapping[str, int]) -> Iterator[Finding]:
    for name, part in (("training", whole.train), ("test", whole.test)):
        seen: set[Hashable] = set()
        rows = []
        for row, key in enumerate(_keys(part, whole.kind)):
            if key in seen:
                rows.append(row)
            seen.add(key)
        if rows:
            yield Finding(
                "duplicates",
                len(rows),
                f"{len(rows):,} examples of the {name} part repeat an earlier one: "
                f"{_examples(part, rows, whole.kind)}.",
            )


def _two_labels(whole: DataSet, labels: Mapping[str, int]) -> Iterator[Finding]:
    if not labels or whole.kind in ("tagged", "characters", "series"):
        return
    first: dict[Hashable, int] = {}
    rows: list[int] = []
    for row, (key, target) in enumerate(
        zip(_keys(whole.train, whole.kind), whole.train.targets.tolist(), strict=False)
    ):
        if first.setdefault(key, target) != target:
            rows.append(row)
    if rows:
        yield Finding(
            "one input, two labels",
            len(rows),
            f"{len(rows):,} training examples have another label than an equal one: "
            f"{_examples(whole.train, rows, whole.kind)}.",
        )


def _near(whole: DataSet, labels: Mapping[str, int]) -> Iterator[Finding]:
    """Texts that are equal except for case, punctuation, digits and spaces; pictures that are equal except for fine
    detail."""
    if whole.kind in ("text", "tagged"):
        rows, how = _near_texts(whole), "but for case, punctuation, digits and spaces"
    elif whole.kind == "image":
        rows, how = _near_pictures(whole.train.inputs, whole.test.inputs), "but for fine detail"
    else:
        return
    exact = set(_keys(whole.train, whole.kind)) if rows else set()
    keys = _keys(whole.test, whole.kind)
    rows = [row for row in rows if not keys or keys[row] not in exact]
    if rows:
        yield Finding(
            "near duplicates across parts",
            len(rows),
            f"{len(rows):,} test examples equal a training example {how}: {_examples(whole.test, rows, whole.kind)}.",
        )


def _near_texts(whole: DataSet) -> list[int]:
    def rough(part: Split) -> list[str]:
        return [" ".join(re.findall(r"[^\W\d_]+", text.casefold())) for text in part.inputs if isinstance(text, str)]

    known = {key for key in rough(whole.train) if key}
    return [row for row, key in enumerate(rough(whole.test)) if key in known]


def _near_pictures(train: Tensor | list[str], test: Tensor | list[str]) -> list[int]:
    """Test pictures with the difference hash (whether each of 8 x 8 places is brighter than its left neighbour) of a
    training picture that they also correlate with by more than `ALIKE`, both at 16 x 16."""
    if not (isinstance(train, Tensor) and isinstance(test, Tensor)) or min(train.shape[-2:]) < SMALL:
        return []
    known: dict[bytes, list[int]] = {}
    for row, key in enumerate(_hashes(train)):
        known.setdefault(key, []).append(row)
    pairs = [(row, known[key][:COMPARED]) for row, key in enumerate(_hashes(test)) if key in known]
    found = []
    for row, others in pairs:
        one, several = _shrunk(test[row : row + 1]), _shrunk(train[others])
        if float((several @ one.T).max()) > ALIKE:
            found.append(row)
    return found


def _hashes(images: Tensor) -> list[bytes]:
    keys = []
    for part in images.split(4096):  # a batch at a time: the floats of all pictures would not fit into memory
        grey = part.float().mean(1, keepdim=True)
        small = torch.nn.functional.interpolate(grey, size=(8, 9), mode="bilinear", antialias=True)
        keys += [row.tobytes() for row in (small[..., 1:] > small[..., :-1]).flatten(1).numpy()]
    return keys


def _shrunk(images: Tensor) -> Tensor:
    """Pictures as rows of 256 numbers with mean 0 and length 1: their products are correlations."""
    grey = images.float().mean(1, keepdim=True)
    small = torch.nn.functional.interpolate(grey, size=(16, 16), mode="bilinear", antialias=True).flatten(1)
    return torch.nn.functional.normalize(small - small.mean(1, keepdim=True))


def _few(whole: DataSet, labels: Mapping[str, int]) -> Iterator[Finding]:
    rare = {label: count for label, count in labels.items() if count < FEW}
    if rare:
        shown = ", ".join(f"{label!r} ({count})" for label, count in list(rare.items())[:SHOWN])
        more = ", …" if len(rare) > SHOWN else ""
        yield Finding("rare classes", len(rare), f"{len(rare)} classes have fewer than {FEW} examples: {shown}{more}.")


def _empty(whole: DataSet, labels: Mapping[str, int]) -> Iterator[Finding]:
    if whole.kind != "text":
        return
    texts = _texts(whole)
    count = sum(not re.search(r"\w", text) for text in texts)
    if count:
        yield Finding("empty texts", count, f"{count:,} of {len(texts):,} texts hold no word; the model reads nothing.")


def _long(whole: DataSet, labels: Mapping[str, int]) -> Iterator[Finding]:
    if whole.kind != "text":
        return
    texts = _texts(whole)
    count = sum(len(text) > 2 * LONG and len(re.findall(r"\w+|[^\w\s]", text)) > LONG for text in texts)
    if count:
        yield Finding(
            "long texts",
            count,
            f"{count:,} of {len(texts):,} texts ({100 * count / len(texts):.1f} %) have more than {LONG} words and "
            "signs; of these the middle is cut unless data.text.max_length is raised.",
        )


def _texts(whole: DataSet) -> list[str]:
    parts = [part for part in (whole.train, whole.validation, whole.test) if part is not None]
    return [text for part in parts for text in part.inputs if isinstance(text, str)]


def _gives_away(whole: DataSet, labels: Mapping[str, int]) -> Iterator[Finding]:
    if whole.kind != "table" or whole.table is None or not isinstance(whole.train.inputs, Tensor):
        return
    names = [*whole.table.numbers, *whole.table.categories]
    told = []
    for place, name in enumerate(names):
        column = whole.train.inputs[:, place].double()
        numeric = place < len(whole.table.numbers)
        value, measure = _told_by(column, whole.train.targets, numeric, len(labels))
        if value > GIVES_AWAY:
            told.append(f"{name} ({measure} {value:.3f})")
    if told:
        yield Finding(
            "gives the target away",
            len(told),
            f"{len(told)} columns tell the target almost alone: {', '.join(told[:SHOWN])}; leave out what is not known "
            "before the target is (data.columns.ignore).",
        )


def _told_by(column: Tensor, targets: Tensor, numeric: bool, classes: int) -> tuple[float, str]:
    """How well one column alone predicts the target: AUC (the mean over classes) or R²."""
    known = ~column.isnan()
    column, targets = column[known], targets[known].double()
    if len(column) < 20:
        return 0.0, ""
    if not classes:
        guess = column if numeric else _means(column, targets)
        spread = torch.corrcoef(torch.stack([guess, targets]))[0, 1]
        return float(spread.square().nan_to_num()), "R²"
    counts = Counter(targets.tolist())
    shares = []
    for label, count in counts.items():
        if not 0 < count < len(targets):
            return 0.0, ""
        truth = (targets == label).double()
        score = column if numeric else _means(column, truth)
        auc = _auc(score, truth)
        shares.append(max(auc, 1 - auc))
    return sum(shares) / len(shares), "AUC"


def _means(column: Tensor, truth: Tensor) -> Tensor:
    """Each row's mean of the truth over the other rows of its category; a category with a single row has no such
    mean."""
    _, place = column.unique(return_inverse=True)
    sums = torch.zeros(int(place.max()) + 1, dtype=torch.float64).index_add_(0, place, truth)
    sizes = torch.bincount(place).double()
    overall = truth.mean()
    others = (sums[place] - truth) / (sizes[place] - 1).clamp(min=1)
    return torch.where(sizes[place] > 1, others, overall)


def _auc(score: Tensor, truth: Tensor) -> float:
    """The share of pairs that the score puts in the right order, ties for a half (Mann & Whitney 1947)."""
    _, place = score.unique(return_inverse=True)
    sizes = torch.bincount(place).double()
    ranks = (sizes.cumsum(0) - (sizes - 1) / 2)[place]
    positive = truth.sum()
    return float((ranks[truth > 0].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive)))


__all__: list[Any] = ["Finding", "found"]
