"""The confusion matrix of a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.viz._figure import new
from zoo.viz._verdicts import verdicts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.viz._which import Weight

NAMED = 20  # with at most this many classes, every square shows its count


def confusion(name: Weight) -> Figure:
    """How often each class of the test split gets each answer: counts, with colours for shares of the true class.

    Right answers have no colour, so that the mistakes of a good model can be seen. `name` is a weight, a model (its
    default weight), a bundle or run folder, or a predictor. Raises `ZooError` as `verdicts` does.

        >>> viz.save(viz.confusion("mlp.digits_v1"), "confusion.png")
    """
    found = verdicts(name, "confusion")
    labels, answers = found.data.labels, found.probabilities.argmax(1)
    size = len(labels)
    counts = torch.bincount(found.truth * size + answers, minlength=size * size).view(size, size)
    return draw(counts, labels, f"{found.weight} on {found.data.name}'s test split")


def draw(counts: Tensor, labels: list[str], title: str) -> Figure:
    """The picture of counts (K, K), a row a true class and a column an answer."""
    size, answers = len(labels), int(counts.sum())
    wrong = 100 * counts / counts.sum(1, keepdim=True).clamp(min=1)
    wrong.fill_diagonal_(0)
    most = float(wrong.max()) or 1.0
    side = 2.4 + max(2.8, 0.42 * min(size, NAMED))
    right = f"{int(counts.diagonal().sum()):,} of {answers:,} right"
    figure = new(side + 1.2, side, f"{title}: {right}")
    axes = figure.subplots()
    drawn = axes.imshow(wrong.numpy(), cmap="Reds", vmin=0, vmax=most)
    figure.colorbar(drawn, ax=axes, shrink=0.8, label="mistakes in % of the true class")
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    ticks = range(0, size, 1 + (size - 1) // 30)
    shown = [labels[tick] for tick in ticks]
    turned = 90 if max(map(len, shown)) > 3 else 0
    axes.set_xticks(ticks, shown, fontsize=8, rotation=turned, parse_math=False)
    axes.set_yticks(ticks, shown, fontsize=8, parse_math=False)
    for row, column in counts.nonzero().tolist() if size <= NAMED else []:
        ink = "white" if wrong[row, column] > 0.6 * most else "black"
        axes.text(column, row, str(int(counts[row, column])), ha="center", va="center", fontsize=8, color=ink)
    return figure
