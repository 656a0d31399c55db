"""The rule of a verdict, as pure numbers."""

from __future__ import annotations

import math
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from zoo import ZooError
from zoo.compare import (
    ERROR,
    MOST_SEEDS,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
    compare,
    decide,
    expected_spread,
    margin_of,
    spent,
)
from zoo.tasks import Metric, share
from zoo.tasks.classification import ACCURACY

VERDICTS = Path(__file__).parents[1] / "benchmarks" / "verdicts.py"
KNOWN = {"accuracy": ACCURACY, "roc_auc": share(ACCURACY.function), "rmse": Metric(ACCURACY.function)}


def test_the_interval_of_metrics_without_an_expectation_is_students():
    # t(4, .975) = 2.776; the pooled variance of 1, 2, 3 and 2, 3, 4 is 1, so the half width is 2.776 √(2/3).
    found = compare([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], margin=9.0)
    assert found.difference == pytest.approx(1.0) and found.interval is not None
    assert found.interval == pytest.approx((1 - 2.26696, 1 + 2.26696), abs=1e-4)
    assert found.level == 0.95 and compare([1.0, 2.0], [2.0], margin=9.0, error=0.01).level == 0.99
    # A power of 80 % is 0.8416 standard errors beyond the half width, and one is half / t.
    assert found.detectable == pytest.approx(2.26696 * (1 + 0.84162 / 2.77645), rel=1e-4)


def test_three_verdicts_from_one_interval():
    published, measured = [0.900, 0.902, 0.901], [0.899, 0.901, 0.900]
    assert compare(published, measured, margin=0.02).verdict == REPRODUCED
    assert compare(published, [value - 0.05 for value in measured], margin=0.02).verdict == NOT_REPRODUCED
    assert compare(published, [value + 0.05 for value in measured], margin=0.02).verdict == NOT_REPRODUCED
    assert compare(published, measured, margin=0.001).verdict == UNDECIDED


def test_an_interval_that_only_touches_the_margin_decides():
    assert decide(0.25, 0.25, 0.5) == REPRODUCED
    assert decide(0.75, 0.25, 0.5) == decide(-0.75, 0.25, 0.5) == NOT_REPRODUCED
    assert decide(0.75, 0.5, 0.5) == UNDECIDED


def test_a_spread_contradicts_the_expectation_from_the_95th_percentile_of_chi_square_on():
    # χ²(4, .95) / 4 = 2.372; t(4, .975) = 2.776 and t(6, .975) = 2.447.
    expected, apart = 0.001, math.sqrt(2 / 3)
    for squares, half in ((2.3, 2.4469 * math.sqrt((2 + 4 * 2.3) / 6)), (2.45, 2.7764 * math.sqrt(2.45))):
        deviation = expected * math.sqrt(squares)
        values = [0.9, 0.9 + deviation, 0.9 - deviation]
        found = compare(values, values, margin=0.1, expected=expected).interval
        assert found is not None and found[1] == pytest.approx(half * expected * apart, rel=1e-3)


def test_three_equal_values_claim_no_spread_of_zero_and_one_seed_has_an_interval():
    expected = expected_spread(ACCURACY, 0.9, 10_000)
    assert expected == pytest.approx(math.sqrt(0.1 / 20_000))
    assert expected is not None
    lucky = compare([0.9] * 3, [0.9], margin=0.005, expected=expected)
    assert lucky.interval is not None and lucky.interval[1] > 2 * expected
    alone = compare([0.9], [0.9], margin=0.005, expected=expected)
    assert alone.interval is not None and alone.interval[1] == pytest.approx(4.303 * expected * math.sqrt(2), rel=1e-3)
    nothing_known = compare([0.9], [0.9], margin=0.005)
    assert nothing_known.interval is None and nothing_known.verdict == UNDECIDED
    assert (nothing_known.more_seeds, nothing_known.level, nothing_known.detectable) == (1, 0.95, None)
    # Where nothing is wrong, half an error is taken as the rate.
    assert expected_spread(ACCURACY, 1.0, 100) == pytest.approx(math.sqrt(0.005 / 200))


def test_no_claim_of_many_equal_values_makes_the_spread_vanish():
    found = compare([0.9] * 100, [0.9], margin=0.005, expected=0.003)
    # t(101, .975) = 1.9837 with a third of the expected spread.
    assert found.interval is not None
    assert found.interval[1] == pytest.approx(1.9837 * 0.001 * math.sqrt(1 + 1 / 100), rel=1e-3)


def test_a_claimed_spread_makes_reproduced_harder_and_never_easier():
    measured = [0.900, 0.901, 0.899]
    assert compare([0.900, 0.901, 0.902], measured, margin=0.005, expected=0.001).verdict == REPRODUCED
    for wide in (0.02, 0.05, 0.1):
        claimed = [0.9, 0.9 + wide, 0.9 - wide]
        assert compare(claimed, measured, margin=0.005, expected=0.001).verdict == UNDECIDED


def test_values_that_contradict_the_expectation_are_believed():
    values = [0.90, 0.95, 0.85]
    with_expectation = compare(values, values, margin=0.1, expected=0.001)
    assert with_expectation.interval == compare(values, values, margin=0.1).interval


def test_how_many_further_seeds_would_decide():
    values = [0.900, 0.903, 0.897]
    found = compare(values, [0.900], margin=0.005, expected=0.003)
    assert found.verdict == UNDECIDED and 0 < found.more_seeds < MOST_SEEDS
    assert compare(values, [0.900], margin=0.0005, expected=0.003).more_seeds == MOST_SEEDS
    assert compare(values, values, margin=0.05, expected=0.003).more_seeds == 0
    # A difference that is larger than the interval's half is taken as true: the nearer to the margin, the more seeds.
    far, near = (compare(values, [0.910], margin=margin, expected=0.003).more_seeds for margin in (0.003, 0.006))
    assert 1 < far < near
    # If nothing differs, nearly as many seeds as were predicted do decide.
    more = [0.900, 0.903, 0.897, 0.900] * 25
    assert compare(values, more[: 1 + found.more_seeds], margin=0.005, expected=0.003).verdict == REPRODUCED


def test_the_looks_share_one_error():
    for looks in (1, 2, 5, 9):
        shares = [spent(look, looks) for look in range(1, looks + 1)]
        assert math.fsum(shares) == pytest.approx(ERROR) and all(share > 0 for share in shares)


@pytest.mark.parametrize(
    ("metric", "asked", "value", "samples", "margin"),
    [
        ("accuracy", None, 0.9, 25_000, 0.005),
        ("accuracy", 0.002, 0.9, 25_000, 0.002),
        ("accuracy", 1.0, 0.9, 25_000, 0.005),  # the ceiling
        ("accuracy", 0.008, 0.9, 25_000, 0.005),
        ("accuracy", 0.05, 0.82, 872, 2 * math.sqrt(0.18 / 1744)),  # of a small test set
        ("roc_auc", 0.5, 0.85, 1409, 0.005),
        ("rmse", None, 0.5, 4128, 0.005),
        ("rmse", 3.0, 0.5, 4128, 0.01),
    ],
)
def test_margins_have_a_ceiling(metric: str, asked: float | None, value: float, samples: int, margin: float):
    found, about = margin_of(metric, asked, value, samples, KNOWN)
    assert found == pytest.approx(margin)
    assert bool(about) == (asked is not None and asked > margin * 1.001)


@pytest.mark.parametrize("margin", [0, -0.1, math.nan, math.inf])
def test_wrong_margins_are_refused(margin: float):
    with pytest.raises(ZooError, match=r"^the margin is .*; give a number above 0"):
        compare([0.9], [0.9], margin=margin, expected=0.1)
    with pytest.raises(ZooError, match=r"^the margin is .*; give a number above 0"):
        margin_of("accuracy", margin, 0.9, 100, KNOWN)


def test_wrong_values_and_metrics_are_refused():
    pairs: list[Any] = [([], [0.9]), ([0.9], []), ([math.nan], [0.9]), ([0.9], [math.inf]), (["a"], [0.9])]
    for published, measured in pairs:
        with pytest.raises(ZooError, match=r"values \[.*\] are not all finite numbers"):
            compare(published, measured, margin=0.1)
    with pytest.raises(ZooError, match=r"^loudness has no direction .* compare by one of accuracy, roc_auc, rmse\.$"):
        margin_of("loudness", None, 0.9, 100, KNOWN)


def _verdicts() -> Any:
    spec = spec_from_file_location("verdicts", VERDICTS)
    assert spec is not None and spec.loader is not None
    module = sys.modules["verdicts"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verdicts = _verdicts()
Case, simulate = verdicts.Case, verdicts.simulate


def cases() -> list[Any]:
    """Spreads from a third to 2.3 times what the test set explains, and a metric without an expectation."""
    found = [
        Case(f"n{n} ratio{ratio}", n, ratio * 0.002, 0.002, margin, 0.01)
        for n in (1, 3, 5)
        for ratio in (0.36, 1.0, 2.3)
        for margin in (0.005, 0.02)
        if n > 1 or ratio <= 1
    ]
    return [*found, Case("without", 3, 0.002, None, 0.005, 0.002), Case("wide", 5, 0.004, None, 0.008, 0.002)]


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.name} margin {case.margin}")
def test_verdicts_are_wrong_at_most_once_in_twenty(case: Any):
    """By simulation with a fixed seed: any n and k, looked at once or after every seed."""
    for k, looks in ((1, 1), (3, 1), (5, 5)):
        same = simulate(case, k, 0.0, looks=looks)["now"]
        assert same is not None and same.not_reproduced <= 0.05, (k, looks)
        for truth in (1.0, 1.5):
            other = simulate(case, k, truth, looks=looks)["now"]
            assert other is not None and other.reproduced <= 0.06, (k, looks, truth)  # 0.05 and the draws' own error


def test_the_former_rule_called_nearly_everything_reproduced():
    case = Case("bilstm_attn.imdb", 3, 0.0016, 0.0014, 0.005, 0.01)
    shares = simulate(case, 1, 1.0)
    assert shares["before"] is not None and shares["before"].reproduced > 0.98
    assert shares["now"] is not None and shares["now"].reproduced < 0.05
