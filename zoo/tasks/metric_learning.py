"""Images in, embeddings out: points that lie near each other if the images have the same label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo import display
from zoo.tasks import Task, share

CHUNK = 1000  # rows of distances at a time, so that 10,000 images do not need 400 MB


@dataclass(frozen=True)
class Embedding:
    """The embedding of one image. The nearer two embeddings, the more alike the model finds the images.

    >>> near = zoo.predictor("mnist_embed")
    >>> len(near(numpy.zeros((28, 28), "uint8")).answer)
    64
    """

    answer: list[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"answer": self.answer}

    def _repr_html_(self) -> str:
        return display.markup("Embedding", {"answer": display.some(self.answer)})


def recall_at_1(embeddings: Tensor, labels: Tensor) -> float:
    """The share of rows whose nearest other row has their label: (N, D) and (N,), two rows or more, -> 0..1.

    Distances are Euclidean; every row is compared with all others (Oh Song et al. 2016, Deep Metric
    Learning via Lifted Structured Feature Embedding, section 6).
    """
    right = 0
    for start in range(0, len(labels), CHUNK):
        rows = embeddings[start : start + CHUNK]
        distances = torch.cdist(rows, embeddings)
        distances.diagonal(start).fill_(torch.inf)
        right += int((labels[distances.argmin(1)] == labels[start : start + CHUNK]).sum())
    return right / len(labels)


TASK = Task(
    name="metric-learning",
    kind="image",
    losses=("triplet", "contrastive"),
    metrics={"recall_at_1": share(recall_at_1, right_answers=True)},
    labelled=False,  # the outputs are not classes, even if the data have labels
    hub="image-feature-extraction",
    pictures=("neighbours", "features", "curves", "filters"),
    exports=("embedding",),
    answer=lambda outputs, raw, config: [Embedding(row) for row in outputs.float().tolist()],
)
