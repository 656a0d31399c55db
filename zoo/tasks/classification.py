"""What every classifier shares: its answer, its losses and its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo import display
from zoo.tasks import Metric, share
from zoo.tasks.measures import CLASSES

LOSSES = ("cross_entropy", "focal")
TOP = 5  # as many as the field's top-5 habit and a terminal's few lines hold


@dataclass(frozen=True)
class Top:
    """One label and its probability.

    >>> zoo.predictor("rnn_text")("Who wrote the tragedy of Hamlet?").top[0].label
    'human'
    """

    label: str
    probability: float


@dataclass(frozen=True)
class Classification:
    """A classifier's answer.

    `top` holds the best labels (five, or as many as were asked for), best first; `label` and `probability` repeat the
    first. `attention` is there for models that attend: each word of the input as it was written, with its share of
    the attention; the shares of the words that the model read sum to 1.

        >>> answer = zoo.predictor("rnn_text")("Who wrote the tragedy of Hamlet?")
        >>> answer.label, len(answer.top)
        ('human', 5)
    """

    label: str
    probability: float
    top: list[Top]
    attention: list[tuple[str, float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `attention` is left out if there is none."""
        answer: dict[str, Any] = {
            "label": self.label,
            "probability": self.probability,
            "top": [{"label": top.label, "probability": top.probability} for top in self.top],
        }
        if self.attention is not None:
            answer["attention"] = [{"word": word, "weight": weight} for word, weight in self.attention]
        return answer

    def _repr_html_(self) -> str:
        shown = display.bars({top.label: top.probability for top in self.top})
        return shown + (display.marked(self.attention) if self.attention else "")


def answer(logits: Tensor, labels: list[str], top: int | None = TOP) -> list[Classification]:
    """Logits (N, K) of any float dtype and the K labels -> N answers with the best `top` labels, or all if `top` is
    None."""
    count = len(labels) if top is None else min(top, len(labels))
    probabilities, indices = logits.float().softmax(dim=1).topk(count)
    answers = []
    for row, row_indices in zip(probabilities.tolist(), indices.tolist(), strict=True):
        best = [Top(labels[index], probability) for index, probability in zip(row_indices, row, strict=True)]
        answers.append(Classification(best[0].label, best[0].probability, best))
    return answers


def accuracy(logits: Tensor, targets: Tensor) -> float:
    """The share of rows whose largest logit is the target's: logits (N, K), targets (N,) -> 0..1."""
    return int((logits.argmax(dim=1) == targets).sum()) / len(targets)


ACCURACY: Metric = share(accuracy, right_answers=True)
LABELLED: dict[str, Any] = {
    "losses": LOSSES,
    "classes": True,
    "further": CLASSES,
    "exports": ("logits", "probabilities"),
    "answer": lambda outputs, raw, config: answer(outputs, config["labels"], config.get("top", TOP)),
    "printed": "answer.label, answer.probability",
}
"""What all tasks that give an input one of several labels have in common."""
