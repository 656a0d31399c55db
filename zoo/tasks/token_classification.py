"""Sentences in, a label for each word out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo import display
from zoo.data import words
from zoo.data.split import IGNORED
from zoo.tasks import Task
from zoo.tasks.classification import ACCURACY
from zoo.tasks.measures import CLASSES


@dataclass(frozen=True)
class Tag:
    """A word as it is written in the sentence, its most probable label, and that label's probability.

    >>> zoo.predictor("bilstm_tagger")("The dog sleeps .").answer[1].tag
    'NOUN'
    """

    word: str
    tag: str
    probability: float


@dataclass(frozen=True)
class Tagging:
    """A tagger's answer: one `Tag` a word, in the order of the text; none for a text without words.

    >>> [tag.tag for tag in zoo.predictor("bilstm_tagger")("The dog sleeps .").answer]
    ['DET', 'NOUN', 'VERB', 'PUNCT']
    """

    answer: list[Tag]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"answer": [vars(tag) for tag in self.answer]}

    def _repr_html_(self) -> str:
        return display.markup("Tags", {f"{at}. {tag.word}": tag.tag for at, tag in enumerate(self.answer, 1)})


def answer(outputs: Tensor, raw: list[str], config: dict[str, Any]) -> list[Tagging]:
    """Logits (N, T, K) of any float dtype, the N sentences and config.json -> N answers."""
    probabilities, indices = outputs.float().softmax(-1).max(-1)
    return [
        # zip ends with the words, so the outputs for padding are left out.
        Tagging([Tag(word, config["labels"][i], p) for word, i, p in zip(words.split(sentence), row, shares)])  # noqa: B905
        for sentence, row, shares in zip(raw, indices.tolist(), probabilities.tolist(), strict=True)
    ]


def embed(features: Tensor, inputs: Sequence[Tensor], raw: list[str]) -> Tensor:
    """The words' states (N, T, D), zeros after a sentence's end -> their mean (N, D); zeros for no words."""
    lengths = inputs[-1]
    return features.sum(1) / lengths.clamp(min=1).unsqueeze(1)


def rows(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The words that count: logits (N, T, K) and targets (N, T) -> (words, K) and (words,)."""
    counts = targets != IGNORED
    return outputs[counts], targets[counts]


TASK = Task(
    name="token-classification",
    kind="tagged",
    losses=("cross_entropy",),
    metrics={"accuracy": ACCURACY},
    further=CLASSES,
    classes=True,
    pictures=("curves", "confusion", "mistakes"),
    exports=("logits", "probabilities"),
    answer=answer,
    rows=rows,
    embed=embed,
)
