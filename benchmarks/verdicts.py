"""How often a verdict of `zoo reproduce` is wrong, by simulation over the published weights.

    python benchmarks/verdicts.py [--runs N] [--weight PATTERN]

Seeds are drawn from a normal distribution with the published spread (of a weight with one seed: with the one that its
test set explains). A row is a weight, a number k of measured seeds, whether one looks once or after every seed, and a
true difference in margins; it gives the share of each verdict in per cent, beside two other rules on the same draws:

    before   what this zoo did before: |difference| ≤ max(tolerance, 3 s √(1/n + 1/k)), s of the published seeds alone
    MLPerf   reference convergence points (mlcommons/logging, rcp_checker): *reproduced* unless a one-sided t-test at
             5 % with the reference's spread says that the measured mean is worse; both means without their best and
             worst value if there are five or more. It needs a spread, so it says nothing of single seeds.

The last lines are the promise: the largest share of *not reproduced* where nothing differs, and of *reproduced* where
the difference is a margin or more. Needs the test sets, for their sizes.
"""

from __future__ import annotations

import argparse
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from zoo.compare import half_width, spent

TRUTHS = (0.0, 1.0, 2.0)
TOLERANCES = {"imdb": 0.01, "sst2": 0.01, "cifar10": 0.005, "tinyshakespeare": 0.01, "california_housing": 0.005}
TOLERANCES |= {"ud_english_ewt": 0.003, "telco_churn": 0.003, "cnn_fashion.fashion_mnist": 0.003}
"""`evaluate.tolerance` as the recipes had it; 0.002 was the default."""


@dataclass(frozen=True)
class Case:
    """A weight as the simulation sees it: published seeds, true spread, expected spread, margin, former tolerance."""

    name: str
    n: int
    spread: float
    expected: float | None
    margin: float
    tolerance: float


@dataclass(frozen=True)
class Shares:
    """Parts of one: how often a rule said what."""

    reproduced: float
    not_reproduced: float

    def __str__(self) -> str:
        undecided = 1 - self.reproduced - self.not_reproduced
        return " ".join(f"{100 * share:5.1f}" for share in (self.reproduced, self.not_reproduced, undecided))


def simulate(
    case: Case, k: int, truth: float, *, looks: int = 1, runs: int = 4000, seed: int = 0
) -> dict[str, Shares | None]:
    """Rule -> shares, if the truth is `truth` margins worse; with `looks` > 1 one looks after every seed up to k."""
    random = np.random.default_rng([seed, zlib.crc32(f"{case.name} {k} {truth}".encode())])
    published = random.normal(0, case.spread, (runs, case.n))
    measured = random.normal(-truth * case.margin, case.spread, (runs, k))
    return {
        "now": _now(case, published, measured, looks),
        "before": _before(case, published, measured),
        "MLPerf": _mlperf(published, measured),
    }


def _now(case: Case, published: Any, measured: Any, looks: int) -> Shares | None:
    runs, k = measured.shape
    n = published.shape[1]
    verdicts = np.zeros(runs)
    squares = _squares(published)
    for look, seen in enumerate(range(1, k + 1) if looks > 1 else [k], 1):
        if n + seen == 2 and case.expected is None:
            continue
        part = measured[:, :seen]
        pooled = (squares + _squares(part)) / max(1, n + seen - 2)
        half = half_width(pooled, n, seen, case.expected, spent(look, looks))
        distance = abs(part.mean(1) - published.mean(1))
        said = np.where(distance + half <= case.margin, 1, np.where(distance - half >= case.margin, -1, 0))
        verdicts = np.where(verdicts == 0, said, verdicts)
    return Shares(float((verdicts == 1).mean()), float((verdicts == -1).mean()))


def _before(case: Case, published: Any, measured: Any) -> Shares:
    n, k = published.shape[1], measured.shape[1]
    std = published.std(1, ddof=1) if n > 1 else np.zeros(len(published))
    allowed = np.maximum(case.tolerance, 3 * std * np.sqrt(1 / n + 1 / k))
    same = float((abs(measured.mean(1) - published.mean(1)) <= allowed).mean())
    return Shares(same, 1 - same)


def _mlperf(published: Any, measured: Any) -> Shares | None:
    from scipy.stats import t

    published, measured = _olympic(published), _olympic(measured)
    n, k = published.shape[1], measured.shape[1]
    if n < 2:
        return None
    worse = (measured.mean(1) - published.mean(1)) / (published.std(1) * np.sqrt(1 / n + 1 / k))
    same = float((t.cdf(worse, n + k - 2) > 0.05).mean())
    return Shares(same, 1 - same)


def _olympic(values: Any) -> Any:
    return np.sort(values, 1)[:, 1:-1] if values.shape[1] >= 5 else values


def _squares(values: Any) -> Any:
    return ((values - values.mean(1, keepdims=True)) ** 2).sum(1)


def cases(pattern: str = "*") -> list[Case]:
    """The published weights, as their bundles and test sets have them."""
    import zoo
    from zoo import sources

    return [case_of(sources.find(name)) for name in zoo.list_weights(pattern)]


def case_of(bundle: Any) -> Case:
    from zoo._reproduce import samples_of
    from zoo.compare import expected_spread, margin_of
    from zoo.opened import Opened
    from zoo.tasks import measures

    opened = Opened(bundle)
    recipe = opened.recipe
    metric = recipe.evaluate.metric
    figures = bundle.metrics["metrics"][metric]
    samples = samples_of(opened.data.test)
    known = measures.of(opened.task, bundle.config["input"])
    expected = expected_spread(known[metric], figures["mean"], samples)
    margin, _ = margin_of(metric, recipe.evaluate.margin, figures["value"], samples, known)
    name = str(bundle.name)
    tolerance = next((value for key, value in TOLERANCES.items() if key in name), 0.002)
    return Case(name, figures["n"], figures["std"] or expected or 0.0, expected, margin, tolerance)


def main() -> None:
    parser = argparse.ArgumentParser(description="Error rates of verdicts, by simulation.")
    parser.add_argument("--runs", type=int, default=4000, help="draws a row")
    parser.add_argument("--weight", default="*", help="a glob")
    given = parser.parse_args()
    found = [case for case in cases("*") if fnmatchcase(case.name, given.weight)]
    print(f"{'':38}                            now                  before               MLPerf")
    print(f"{'weight':38}  n  k looks difference   same differ    ?     same differ    ?     same differ    ?")
    worst = {"not reproduced where nothing differs": 0.0, "reproduced where a margin or more differs": 0.0}
    for case in found:
        for k, looks in ((1, 1), (case.n, 1), (case.n, case.n)) if case.n > 1 else ((1, 1), (5, 1), (5, 5)):
            for truth in TRUTHS:
                shares = simulate(case, k, truth, looks=looks, runs=given.runs)
                row = "  ".join(f"{shares[rule] or '    -     -     -'}" for rule in ("now", "before", "MLPerf"))
                print(f"{case.name:38} {case.n:2} {k:2} {looks:5} {truth:10.1f}  {row}", flush=True)
                now = shares["now"]
                if now is not None:
                    key, share = [*worst][truth > 0], now.reproduced if truth else now.not_reproduced
                    worst[key] = max(worst[key], share)
    for what, share in worst.items():
        print(f"{what}: at most {100 * share:.1f} %")


if __name__ == "__main__":
    main()
