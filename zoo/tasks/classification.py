"""What every classifier shares: its answer, its losses and its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

LOSSES = ("cross_entropy", "focal")
TOP = 5  # as many as the field's top-5 habit and a terminal's few lines hold


@dataclass(frozen=True)
class Top:
    """One label and its probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """A classifier's answer.

    `top` holds the best five labels (all, where there are fewer), best first; `label` and `probability` repeat the
    first. `attention` is there for models that attend: each word of the input as it was written, with its share of
    the attention; the shares of the words that the model read sum to 1.
    """

    label: str
    probability: float
    top: list[Top]
    attention: list[tuple[str, float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `attention` is left out where there is none."""
        answer: dict[str, Any] = {
            "label": self.label,
            "probability": self.probability,
            "top": [{"label": top.label, "probability": top.probability} for top in self.top],
        }
        if self.attention is not None:
            answer["attention"] = [{"word": word, "weight": weight} for word, weight in self.attention]
        return answer


def answer(logits: Tensor, labels: list[str]) -> list[Answer]:
    """Logits (N, K) of any float dtype and the K labels -> N answers."""
    probabilities, indices = logits.float().softmax(dim=1).topk(min(TOP, len(labels)))
    answers = []
    for row, row_indices in zip(probabilities.tolist(), indices.tolist(), strict=True):
        top = [Top(labels[index], probability) for index, probability in zip(row_indices, row, strict=True)]
        answers.append(Answer(top[0].label, top[0].probability, top))
    return answers


def accuracy(logits: Tensor, targets: Tensor) -> float:
    """The share of rows whose largest logit stands at the target: logits (N, K), targets (N,) -> 0..1."""
    return int((logits.argmax(dim=1) == targets).sum()) / len(targets)
