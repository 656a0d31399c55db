"""The statistics of a verdict: are the figures that were measured those that were published?

Published are n values of a metric, one a seed, and measured are k further ones. With means P and M the question is how
large the true difference M - P is, and whether it matters. A **margin** says what matters: the smallest difference that
would change anybody's choice. From a confidence interval of the difference follow three verdicts:

    reproduced       the interval lies within ± margin: whatever the difference is, it does not matter
    not reproduced   the interval lies wholly outside: the difference matters, for worse or for better
    undecided        neither; more seeds would tell

The first is the test of equivalence by confidence interval (Schuirmann 1987, "A comparison of the two one-sided tests
procedure and the power approach for assessing the equivalence of average bioavailability", J. Pharmacokinetics and
Biopharmaceutics 15). It turns the usual test around: few seeds and a wide spread make *reproduced* harder to reach, not
easier, so nobody gains by claiming a spread.

**The interval** is Student's: M - P ± t s √(1/n + 1/k), where s² is the variance over seeds, pooled over both sides,

    s² = ((n - 1) s_P² + (k - 1) s_M²) / ν        with ν = n + k - 2 degrees of freedom.

**A spread is expected** if the metric is a share of right answers among N samples. Where a run errs is in good part a
matter of chance: Jordan 2023 ("On the Variance of Neural Network Training with respect to Test Sets and Distributions",
arXiv:2304.01910) derives, for a calibrated ensemble of two classes, that runs of a recipe differ on a test set with the
variance e / 2N, for an error rate e, and observes it; with more classes it is an upper bound. So e / 2N = s0² is worth
`WORTH` degrees of freedom beside the ν that were measured, as a scaled inverse chi-square prior is (Gelman et al.,
Bayesian Data Analysis, section 2.6):

    s² = (WORTH s0² + ν s²) / (WORTH + ν)         with WORTH + ν degrees of freedom.

Three equal values then do not mean a spread of zero, and a single seed on both sides gives an interval at all. If the
values contradict the expectation (chi-square test at 5 %), the expectation cannot narrow the interval: the wider of
both counts. No claim of many equal values makes s less than `LEAST` s0; the smallest ratio over the weights of this zoo
with three seeds or more is 0.36, the largest 2.3. Nothing is expected of other metrics, which need three values in all.

**Looks cost.** Who looks after every seed and stops when it suits has more chances to err. Look i of L uses the share
(i² - (i-1)²) / L² of the error of 5 % (the power family of Kim and DeMets 1987, "Design and analysis of group
sequential tests based on the type I error spending rate function", Biometrika 74). The shares add up to 5 %, so by
Boole's inequality the intervals of all looks hold together with 95 %, however the looks depend on each other.

`benchmarks/verdicts.py` measures the error rates by simulation: at most 5 % *not reproduced* if nothing differs, and at
most 5 % *reproduced* if the true difference is the margin or more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError, some

if TYPE_CHECKING:
    from zoo.tasks import Metric

REPRODUCED, NOT_REPRODUCED, UNDECIDED = "reproduced", "not reproduced", "undecided"
ERROR = 0.05
POWER = 0.8
WORTH = 2.0
LEAST = 1 / 3
MOST_SEEDS = 1000
"""As `more_seeds`: no number that anybody would run decides; the published seeds are too few."""

SHARE_MARGIN = 0.005
"""Of metrics that are a share of one: half a point. Right answers: twice the expected spread if the test set is so
small that this is more."""
ERROR_MARGIN, ERROR_CEILING = 0.01, 0.02
"""Of other metrics, in parts of the figure: the margin if the recipe gives none, and the largest that counts."""


@dataclass(frozen=True)
class Comparison:
    """What the figures say. `interval` is of measured − published, None if nothing is known of the spread.

    `more_seeds`: how many further ones would probably decide, 0 if decided, `MOST_SEEDS` if none would. `detectable`:
    the difference that this comparison would have told from none with a probability of 80 %.
    """

    difference: float
    interval: tuple[float, float] | None
    margin: float
    level: float
    verdict: str
    more_seeds: int
    detectable: float | None


def compare(
    published: Sequence[float],
    measured: Sequence[float],
    *,
    margin: float,
    expected: float | None = None,
    error: float = ERROR,
) -> Comparison:
    """Compare the values of two sets of seeds; `expected` is the spread that the test set explains, if one is known.

    `error` is what this look may spend (`spent`). Raises `ZooError` for a margin of 0 or less, and for values that are
    no finite numbers or are not there.

    >>> compare([0.90, 0.91, 0.90], [0.901, 0.904, 0.907], margin=0.02, expected=0.003).verdict
    'reproduced'
    """
    for name, values in (("published", published), ("measured", measured)):
        if not values or not all(_is_finite(value) for value in values):
            raise ZooError(f"the {name} values {list(values)} are not all finite numbers, so nothing can be compared.")
    if not (_is_finite(margin) and margin > 0):
        raise ZooError(f"the margin is {margin!r}; give a number above 0, the smallest difference that matters.")
    n, k = len(published), len(measured)
    difference = _mean(measured) - _mean(published)
    squares = _squares(published) + _squares(measured)
    pooled = squares / (n + k - 2) if n + k > 2 else 0.0
    if n + k == 2 and expected is None:
        return Comparison(difference, None, margin, 1 - error, UNDECIDED, 1, None)
    half = float(half_width(pooled, n, k, expected, error))
    verdict = decide(difference, half, margin)
    scale = half / float(_quantile(n + k, expected, error))
    detectable = half + scale * _normal(POWER)
    more = 0 if verdict != UNDECIDED else _further(difference, half, pooled, n, k, margin, expected)
    return Comparison(difference, (difference - half, difference + half), margin, 1 - error, verdict, more, detectable)


def half_width(pooled: Any, n: int, k: int, expected: float | None, error: float) -> Any:
    """Half of the interval's width for a pooled variance, a number or an array of them."""
    import numpy as np
    from scipy.stats import chi2, t

    freedom = n + k - 2
    standard = math.sqrt(1 / n + 1 / k)
    if expected is None:
        return t.ppf(1 - error / 2, freedom) * np.sqrt(pooled) * standard
    shrunk = (WORTH * expected**2 + freedom * np.asarray(pooled)) / (WORTH + freedom)
    half = t.ppf(1 - error / 2, WORTH + freedom) * np.sqrt(np.maximum(shrunk, (LEAST * expected) ** 2))
    if freedom:
        contradicted = pooled > expected**2 * chi2.ppf(0.95, freedom) / freedom
        alone = t.ppf(1 - error / 2, freedom) * np.sqrt(pooled)
        half = np.where(contradicted, np.maximum(half, alone), half)
    return half * standard


def decide(difference: float, half: float, margin: float) -> str:
    """The verdict of an interval of half the width `half` around the difference."""
    if abs(difference) + half <= margin:
        return REPRODUCED
    return NOT_REPRODUCED if abs(difference) - half >= margin else UNDECIDED


def spent(look: int, looks: int) -> float:
    """What the look `look` (from 1) of `looks` may spend of the error of 5 %."""
    return ERROR * (look**2 - (look - 1) ** 2) / looks**2


def expected_spread(metric: Metric, value: float, samples: int | None) -> float | None:
    """The standard deviation over seeds that a test set of `samples` explains; None for metrics it says nothing of.

    `value` is one that was measured here. Where nothing is wrong, half an error is taken as the rate.
    """
    if not metric.right_answers or not samples:
        return None
    return math.sqrt(max(1 - value, 0.5 / samples) / (2 * samples))


def margin_of(
    metric: str, asked: float | None, value: float, samples: int | None, known: Mapping[str, Metric]
) -> tuple[float, str]:
    """The margin that counts and, if that is not what was asked for, a sentence about it.

    `asked` is the recipe's, None for the usual one: half a point of a share, 1 % of another figure. A recipe cannot
    raise it above a ceiling: half a point for shares, or of right answers twice the spread that a small test set
    explains; 2 % for others. `value` is measured here, on the shipped bytes, because a ceiling must not rest on a
    claim; `known` are the metrics of the task.
    """
    if metric not in known:
        raise ZooError(
            f"{metric} has no direction (higher or lower is better), so it cannot be compared; compare by one of "
            f"{some(list(known))}."
        )
    if asked is not None and not (_is_finite(asked) and asked > 0):
        raise ZooError(f"the margin is {asked!r}; give a number above 0, the smallest difference that matters.")
    share = known[metric].more_is_better
    expected = expected_spread(known[metric], value, samples)
    usual = SHARE_MARGIN if share else ERROR_MARGIN * abs(value)
    ceiling = max(SHARE_MARGIN, 2 * expected if expected else 0) if share else ERROR_CEILING * abs(value)
    margin = usual if asked is None else asked
    if margin <= ceiling * (1 + 1e-9):
        return margin, ""
    return ceiling, f"the recipe's margin of {margin:g} is more than {metric} may have here, so {ceiling:.4g} counts"


def _further(
    difference: float, half: float, pooled: float, n: int, k: int, margin: float, expected: float | None
) -> int:
    """How many further seeds would decide with a probability of 80 %, if the truth is what the figures suggest.

    That is no difference if the interval leaves that possible, else the difference that was measured.
    """
    truth = 0.0 if abs(difference) <= half else abs(difference)
    room = abs(margin - truth)
    for more in [*range(1, 20), *range(20, 100, 5), *range(100, MOST_SEEDS, 50)]:
        later = float(half_width(pooled, n, k + more, expected, ERROR))
        if later * (1 + _normal(POWER) / float(_quantile(n + k + more, expected, ERROR))) <= room:
            return more
    return MOST_SEEDS


def _quantile(values: int, expected: float | None, error: float) -> Any:
    from scipy.stats import t

    return t.ppf(1 - error / 2, values - 2 + (WORTH if expected is not None else 0))


def _normal(probability: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _squares(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
