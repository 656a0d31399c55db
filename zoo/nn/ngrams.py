"""A linear model on the n-grams of a text, beside a network: naive Bayes counts what a recurrent network forgets."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.head import WithHead
from zoo.nn.recurrent import length_mask


class Ngrams(nn.Module):
    """A weight for each n-gram and class: the logits of a text are the sum over the different n-grams that it holds.

    This is the linear half of a wide and deep model (Cheng et al. 2016, Wide & Deep Learning, section 3.1). Its weights
    are those of logistic regression on naive Bayes features (Wang & Manning 2012, Baselines and Bigrams, section 2.3):
    how often an n-gram is in a text does not count, only whether it is, and the penalty on a weight is the smaller, the
    more the n-gram's naive Bayes log-count ratio says. `start_from` finds them on the training texts before the first
    step (`zoo.nn.start`); the problem is convex and nothing is drawn, so every seed gets the same.

    It fits the training texts so well that a network trained after it would have nothing left to learn. So a model
    adds these logits in eval mode alone: both halves learn by themselves, and their errors differ. The weights take no
    gradient. Without `start_from` all logits are 0.

    Args:
        rows: of the table that n-grams are hashed into; those that share a row share a weight.
        classes: outputs (K). Two classes share one column of weights: one class gets half of it, the other minus half.
        order: n of the longest n-grams; 2 for single tokens and pairs.
        penalty: on squares, beside the mean loss of a text: larger for fewer or shorter texts. 0.005 was best on
            held-out reviews, 0.0001 on held-out questions of ten words.

    Shapes: tokens (N, T) int64 and lengths (N,) int64 -> (N, K). Raises `ValueError` for an order below 1.

        >>> grams = nn.Ngrams(rows=64, classes=3)
        >>> grams(torch.tensor([[1, 2, 3]]), torch.tensor([3]))
        tensor([[0., 0., 0.]]...)
    """

    def __init__(self, rows: int, classes: int, order: int = 2, penalty: float = 0.005) -> None:
        super().__init__()
        if order < 1:
            raise ValueError(f"the order of n-grams is {order}; give at least 1")
        self.rows: int = rows
        self.classes = classes
        self.order = order
        self.penalty: float = penalty
        columns = 1 if classes == 2 else classes
        self.weight: nn.Parameter = nn.Parameter(torch.zeros(rows, columns), requires_grad=False)
        self.bias: nn.Parameter = nn.Parameter(torch.zeros(columns), requires_grad=False)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        self.weight.zero_()
        self.bias.zero_()

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        rows, first = self.distinct(tokens, lengths)
        scores = (F.embedding(rows, self.weight) * first.unsqueeze(-1)).sum(1) + self.bias
        return torch.cat([-scores / 2, scores / 2], -1) if self.classes == 2 else scores

    def distinct(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of the n-grams of each text in order (N, T * order), and where each stands first in it, bool."""
        inside, ids, before = [], [], torch.zeros_like(tokens)
        for n in range(self.order):
            # Multiplicative hashing of the tokens of an n-gram, as in `zoo.nn.words.bigram_ids`, and of its length.
            before = (F.pad(before, (1, 0))[:, :-1] * 1_000_003 + tokens * 7_919 + n) % 2_147_483_647
            ids.append(before * 48_271 % 2_147_483_647 % self.rows)
            inside.append(
                length_mask(lengths, tokens.shape[1]) & (torch.arange(tokens.shape[1], device=tokens.device) >= n)
            )
        mask = torch.cat(inside, 1)
        rows = torch.cat(ids, 1).masked_fill(~mask, self.rows).sort(1).values
        first = (rows != F.pad(rows, (1, 0), value=-1)[:, :-1]) & (rows < self.rows)
        return rows.clamp(max=self.rows - 1), first

    @torch.no_grad()
    def start_from(self, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]]) -> None:
        """Fit the weights to texts and their classes: batches of ((tokens, lengths), targets (N,))."""
        columns, counts, targets = [], [], []
        for (tokens, lengths, *_), truth in batches:
            rows, first = self.distinct(tokens, lengths)
            columns.append(rows[first].int().cpu())
            counts.append(first.sum(1).cpu())
            targets.append(truth.cpu())
        size, truth = torch.cat(counts), torch.cat(targets)
        texts = torch.arange(len(size)).repeat_interleave(size)
        holds = torch.sparse_coo_tensor(
            torch.stack([texts, torch.cat(columns).long()]),
            torch.ones(len(texts)),
            (len(size), self.rows),
            is_coalesced=True,
            check_invariants=False,
        )
        weight, bias = naive_bayes_regression(holds, F.one_hot(truth, self.classes).float(), self.penalty)
        self.weight.copy_(weight)
        self.bias.copy_(bias)


def naive_bayes_regression(holds: Tensor, classes: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Logistic regression on features scaled by their naive Bayes log-count ratios: weights (F, K) and biases (K).

    `holds` is a sparse (N, F) of ones, `classes` one-hot (N, K); for two classes there is one column, that of the
    second. The mean loss plus `penalty` / 2 times the sum of squares is minimised by L-BFGS from 0.
    """
    texts = len(classes)
    counts = torch.sparse.mm(holds.t(), classes)  # texts of each class that hold a feature
    others = counts.sum(1, keepdim=True) - counts
    ratios = _shares(counts).log() - _shares(others).log()
    two = classes.shape[1] == 2
    if two:
        ratios, classes = ratios[:, 1:], classes[:, 1:]
    columns = ratios.shape[1]
    flat = torch.zeros(ratios.numel() + columns)

    def weights() -> tuple[Tensor, Tensor]:
        return flat[:-columns].view_as(ratios), flat[-columns:]

    def closure() -> Tensor:
        scaled, bias = weights()
        scores = torch.sparse.mm(holds, scaled * ratios) + bias
        if two:
            loss = F.binary_cross_entropy_with_logits(scores, classes)
            slope = (scores.sigmoid() - classes) / texts
        else:
            loss = F.cross_entropy(scores, classes)
            slope = (scores.softmax(1) - classes) / texts
        down = torch.sparse.mm(holds.t(), slope) * ratios + penalty * scaled
        flat.grad = torch.cat([down.flatten(), slope.sum(0)])
        return loss + penalty / 2 * scaled.square().sum()

    search = torch.optim.LBFGS([flat], max_iter=60, history_size=6, tolerance_grad=1e-6, line_search_fn="strong_wolfe")
    search.step(closure)
    scaled, bias = weights()
    return scaled * ratios, bias


def _shares(counts: Tensor) -> Tensor:
    """Each feature's share of what each class holds, after one more of each (Wang & Manning, section 2.1)."""
    return (counts + 1) / (counts + 1).sum(0)


class WithNgrams(WithHead):
    """A model of texts whose head may have a linear model on n-grams beside it.

    In eval mode `forward_features` gives the logits of the n-grams after the features, so that `forward_head` can add
    them to those of the head; `pre_logits` gives the features without them. A replaced head leaves the n-grams out,
    since their weights are for the old labels.
    """

    ngrams: Ngrams | None
    dropout: float

    def beside(self, features: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Features (N, num_features) -> (N, num_features + num_classes) in eval mode with n-grams, else as they are."""
        if self.ngrams is None or self.training:
            return features
        return torch.cat([features, self.ngrams(tokens, lengths).to(features.dtype)], -1)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        features, logits = features[:, : self.num_features], features[:, self.num_features :]
        outputs = super().forward_head(F.dropout(features, self.dropout, self.training), pre_logits)
        return outputs if pre_logits or not logits.shape[1] else outputs + logits

    def reset_classifier(self, num_classes: int) -> None:
        self.ngrams = None
        super().reset_classifier(num_classes)


def ngrams_beside(rows: int, classes: int, order: int, penalty: float) -> Ngrams | None:
    """`Ngrams`, or None if there are no rows or no classes."""
    return Ngrams(rows, classes, order, penalty) if rows and classes else None
