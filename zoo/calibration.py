"""Whether a classifier's probabilities are right, and the temperature that corrects them.

Logits (N, K) and the right classes (N,) in, numbers out. Probabilities are calibrated if, for instance, four in five
of the answers given with 80 % are right.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 15
"""The number of bins, as in Guo et al. 2017."""
_COLDEST, _HOTTEST = 0.05, 20.0


def nll(logits: Tensor, targets: Tensor, temperature: float = 1.0) -> float:
    """The negative log-likelihood: the mean of -ln p of the right class, 0 at best."""
    return float(F.cross_entropy(logits.double() / temperature, targets))


def ece(logits: Tensor, targets: Tensor, temperature: float = 1.0) -> float:
    """The expected calibration error (Naeini et al. 2015; Guo et al. 2017, "On Calibration of Modern Neural Networks").

    The answers are sorted by the probability of the answered class into `BINS` bins of equal width. In each bin the
    share of right answers is compared with the mean probability; the differences are averaged, each weighted by the
    number of answers in its bin: 0 at best, in 0..1.
    """
    probability, answer = (logits.double() / temperature).softmax(1).max(1)
    right = (answer == targets).double()
    bins = (probability * BINS).ceil().long().clamp(1, BINS) - 1  # (0, 1/15], (1/15, 2/15], …
    zeros = torch.zeros(BINS, dtype=torch.float64)
    difference = zeros.index_add(0, bins, right - probability)
    return float(difference.abs().sum() / len(targets))


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """The temperature by which logits are divided so that their likelihood is greatest (Guo et al. 2017, section 4.2).

    Fit it on samples that the model has not learned from: on its own training samples it is too sure of itself. The
    order of the classes stays, and so does every answer. The likelihood has one peak in 1 / temperature, which is
    looked for between 0.05 and 20.
    """
    from scipy.optimize import minimize_scalar

    logits = logits.double()
    found = minimize_scalar(
        lambda log: nll(logits, targets, math.exp(log)),
        bounds=(math.log(_COLDEST), math.log(_HOTTEST)),
        method="bounded",
    )
    return round(math.exp(float(found.x)), 4)  # type: ignore[attr-defined]


def calibration(logits: Tensor, targets: Tensor, temperature: float | None) -> dict[str, Any]:
    """The entry `calibration` of metrics.json: NLL and ECE of the probabilities that predictors give.

    `raw` holds the same without the temperature; it is there if one was fitted.
    """
    used = temperature or 1.0
    found: dict[str, Any] = {
        "samples": len(targets),
        "bins": BINS,
        "temperature": temperature,
        "nll": nll(logits, targets, used),
        "ece": ece(logits, targets, used),
    }
    if temperature is not None:
        found["raw"] = {"nll": nll(logits, targets), "ece": ece(logits, targets)}
    return found


def confusion(logits: Tensor, targets: Tensor) -> Tensor:
    """How often each class (row) was answered as which (column): (K, K) int64."""
    classes = logits.shape[1]
    counts = torch.bincount(targets * classes + logits.argmax(1), minlength=classes * classes)
    return counts.view(classes, classes)
