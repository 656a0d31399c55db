"""Losses that make near neighbours of samples with the same label."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import ZooError


def pairwise_distances(x: Tensor) -> Tensor:
    """Euclidean distances (N, N) between the rows of x (N, D), in float32 at least.

    By differences, which take N² D numbers, not by |a|² + |b|² - 2ab, which loses small distances to rounding. Two
    rows that coincide are at distance 0 and have a gradient of 0, where that of the root would be infinite.
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    squared = (x.unsqueeze(1) - x).square().sum(-1)
    apart = squared != 0  # true of NaN, which must not pass for a distance of 0
    return torch.where(apart, squared, 1).sqrt() * apart


def same_label(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Embeddings (N, D) and their labels (N,) -> (N, N) bool, true where two rows share theirs; else `ZooError`."""
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ZooError(
            f"embeddings {tuple(embeddings.shape)} and labels {tuple(labels.shape)} do not fit; give (N, D) and (N,)."
        )
    return labels.unsqueeze(1) == labels


class ContrastiveLoss(nn.Module):
    """Pull pairs of one label together, push pairs of two labels apart to a margin (Hadsell, Chopra & LeCun 2006, 2.1).

    A pair at distance D costs D² / 2 if its labels are the same: a spring of rest length 0, whose force dL/dD = D
    brings them together. If they differ it costs max(0, margin - D)² / 2: a spring that pushes with force margin - D,
    and does nothing beyond the margin. Without the margin all distances could grow for ever, and without the pushing
    all points could fall into one. The loss is the mean over all N (N - 1) / 2 pairs of the batch.

    Args:
        margin: how far apart different labels are to be, in units of the embedding. Between embeddings of length 1,
            which are at most 2 apart, a distance of 1 is an angle of 60°.

    Shapes: embeddings (N, D), labels (N,) integer -> scalar, float32 at least. A batch without pairs costs 0.
    Raises `ZooError` for other shapes.

        >>> loss, points = nn.ContrastiveLoss(), torch.tensor([[0.0, 0.0], [0.0, 2.0]])
        >>> loss(points, torch.tensor([0, 0])), loss(points, torch.tensor([0, 1]))
        (tensor(2.), tensor(0.))
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        same = same_label(embeddings, labels)
        distances = pairwise_distances(embeddings)
        costs = torch.where(same, distances, F.relu(self.margin - distances)).square() / 2
        n = len(labels)
        return costs.sum() / max(1, n * (n - 1))  # each pair stands there twice; a row is at distance 0 from itself


class TripletLoss(nn.Module):
    """Every sample nearer to its own label than to any other, by a margin (Hermans, Beyer & Leibe 2017, section 2).

    An anchor a, a positive p of its label and a negative n of another cost max(0, D(a, p) - D(a, n) + margin). Its
    gradient moves p towards a and n away with force 1 each, until the difference is the margin. Of the N³ triplets of
    a batch nearly all are satisfied soon and teach nothing. Batch hard (equation 5) takes for each anchor the
    farthest positive and the nearest negative, which stand for all its triplets: once theirs costs nothing, none does.
    The loss is the mean over the anchors that have both a positive and a negative.

    Batches should hold several samples of each label (the paper's P labels of K samples).

    Args:
        margin: in units of the embedding. 0.2 is what FaceNet (Schroff et al. 2015, section 3.1) uses for embeddings of
            length 1.

    Shapes: embeddings (N, D), labels (N,) integer -> scalar, float32 at least. A batch without a triplet costs 0.
    Raises `ZooError` for other shapes.

        >>> points = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
        >>> nn.TripletLoss()(points, torch.tensor([0, 0, 1])).item() < 1e-3
        True
    """

    def __init__(self, margin: float = 0.2) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
        same = same_label(embeddings, labels)
        if not len(labels):
            return embeddings.sum()
        others = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        with torch.no_grad():  # which triplets are the hardest; what they cost comes from the embeddings
            distances = pairwise_distances(embeddings)
            positives = distances.masked_fill(~others, -1).argmax(1)
            negatives = distances.masked_fill(same, torch.inf).argmin(1)
        costs = F.triplet_margin_loss(
            embeddings, embeddings[positives], embeddings[negatives], self.margin, reduction="none"
        )
        valid = others.any(1) & ~same.all(1)
        return (costs * valid).sum() / valid.sum().clamp(min=1)
