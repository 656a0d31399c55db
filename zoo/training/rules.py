"""What a recipe's settings become for data of one's own: each rule with its reason, for what nobody has set.

The rules are printed before training, and what they choose stands in the run's recipe. They change a recipe of the zoo,
which was made for another data set:

- `data.batch_size`: at least `STEPS` steps an epoch, a power of two, at most the recipe's, at least 8 (or all samples).
- `train.epochs`: as many as give the recipe's number of steps on its own data, but at most `PASSES`.
- `data.text.vocab_size`, `data.tagged.vocab_size`: the words that stand there twice, at most the recipe's: a word that
  training meets once teaches nothing, and the model must meet unknown ones.
- `data.size`, `data.channels`: what the model was made for; `data.mean` and `data.std` stay the recipe's.
- `data.table.log`: the columns without negative numbers that are skewed (skewness above `SKEWED`).
- `model_args.shift`, `model_args.scale`: mean and standard deviation of the numbers to predict.
- `data.series.horizon` and `.context`: the recipe's where they fit; else a tenth of the training rows at most, and a
  third, in whole segments.
- `data.characters.length`: at most a fiftieth of the text.
- the head has an output a class; `loss.class_weight` and metrics tied to the zoo's classes are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from zoo.data import DataSet

STEPS = 20
PASSES = {"table": 10}
"""Epochs at the most: of small tables more are learnt by heart (on scikit-learn's diabetes, 354 rows, an RMSE of 60.7
after 40, 55.8 after 15, 52.6 after 8)."""
LONGEST = 40
"""The same for other kinds of data."""
SKEWED = 2.0
SAMPLE = 20_000
"""Texts looked at to count words."""

Change = tuple[str, Any, str]
"""(key path, value, reason)."""


def changes(content: dict[str, Any], data: DataSet, kind: str, steps: int, begun: bool) -> Iterator[Change]:
    """What the rules change in a recipe's content; `steps` is how many its own training takes, `begun` whether it
    begins from a weight, whose tokenizer, size and window it then keeps."""
    samples = _samples(content, data, kind)
    size = content["data"]["batch_size"]
    chosen = min(size, max(min(8, samples), 2 ** int(math.log2(max(1, samples / STEPS)))))
    if chosen != size:
        yield "data.batch_size", chosen, f"{samples:,} samples to train on: {max(1, samples // chosen)} steps an epoch"
    yield from _OF_KIND.get(kind, lambda *_: iter(()))(content, data, begun)
    if content["train"].get("epochs"):
        most = PASSES.get(kind, LONGEST)
        wanted = min(most, max(1, round(steps / max(1, samples // chosen))))
        if wanted != content["train"]["epochs"]:
            taken = wanted * max(1, samples // chosen)
            yield "train.epochs", wanted, f"about {taken:,} steps; {steps:,} are wanted, in at most {most} epochs"


def _samples(content: dict[str, Any], data: DataSet, kind: str) -> int:
    if kind == "characters":
        return max(1, len(data.train) // content["data"]["characters"]["length"])
    return len(data.train)


def _text(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    if begun:
        return
    from zoo.data.text import train_tokenizer

    texts: list[str] = data.train.inputs[:SAMPLE]  # type: ignore[assignment]
    splitter = train_tokenizer([], 3)
    counts = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenizer.pre_tokenize_str(splitter.normalizer.normalize_str(text))  # type: ignore[union-attr]
    )
    yield from _vocabulary("text", content, counts)


def _tagged(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    if begun:
        return
    from zoo.data.words import SEPARATOR

    sentences: list[str] = data.train.inputs[:SAMPLE]  # type: ignore[assignment]
    counts = Counter(word.lower() for sentence in sentences for word in sentence.split(SEPARATOR))
    yield from _vocabulary("tagged", content, counts)


def _vocabulary(kind: str, content: dict[str, Any], counts: Counter[str]) -> Iterator[Change]:
    known = sum(count > 1 for count in counts.values()) + 2
    size = content["data"][kind]["vocab_size"]
    if max(3, known) < size:
        yield f"data.{kind}.vocab_size", max(3, known), "the words that stand at least twice in the training part"


def _table(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    assert data.table is not None and isinstance(data.train.inputs, Tensor)
    skewed = []
    for name, values in zip(data.table.numbers, data.train.inputs.double().unbind(1), strict=False):
        known = values[~values.isnan()]
        amounts = len(known) > 2 and name not in data.table.dates and known.min() >= 0 and known.std() > 0
        if amounts and ((known - known.mean()) / known.std()).pow(3).mean() > SKEWED:
            skewed.append(name)
    if skewed != content["data"]["table"]["log"]:
        yield "data.table.log", skewed, f"numbers with a skewness above {SKEWED:g}, read as logarithms"
    sigma = content["model_args"].get("sigma")
    if isinstance(sigma, list):
        yield "model_args.sigma", min(sigma), "one for all numbers"
    if data.train.targets.is_floating_point():
        truth = data.train.targets.double()
        scale = truth.std().item() if len(truth) > 1 else 1.0
        yield "model_args.shift", _short(truth.mean().item()), "the mean of the numbers to predict"
        yield "model_args.scale", _short(scale or 1.0), "their standard deviation"


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def _series(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    settings = content["data"]["series"]
    rows, held = (
        len(data.train),
        min(len(data.test), *([len(data.validation)] if data.validation else []), len(data.test)),
    )
    horizon, context = settings["horizon"], settings["context"]
    if rows >= 3 * context and rows >= 10 * horizon and held >= 2 * horizon:
        return
    horizon = max(1, min(horizon, rows // 10, held // 2))
    segment = content["model_args"].get("segment")
    context = max(1, min(context, rows // 3))
    if segment:
        new = max(1, min(segment, context // 4))
        context = max(new, context // new * new)
        if new != segment:
            yield "model_args.segment", new, "a quarter of the context at most"
    if horizon != settings["horizon"]:
        yield "data.series.horizon", horizon, f"{rows:,} rows to train on, {held:,} to test on"
    if context != settings["context"]:
        yield "data.series.context", context, f"a third of the {rows:,} rows to train on at most"


def _characters(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    length = content["data"]["characters"]["length"]
    fitting = max(8, min(length, len(data.train) // 50))
    if fitting != length:
        yield "data.characters.length", fitting, f"a fiftieth of {len(data.train):,} characters"


_OF_KIND = {"text": _text, "tagged": _tagged, "table": _table, "series": _series, "characters": _characters}


def share_unknown(tokenizer: Any, texts: list[str]) -> float:
    """The share of a sample's words that a tokenizer does not know."""
    rows = tokenizer.encode_batch_fast(texts[:500])
    ids = [token for row in rows for token in row.ids]
    return sum(token == 1 for token in ids) / max(1, len(ids))
