"""Runs of one recipe over several seeds, reported as one: the value and its spread."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from zoo.bundles.format import Bundle
from zoo.check import spread
from zoo.errors import ZooError
from zoo.recipes.of_bundle import differences, recipe_of


def merge_metrics(runs: Sequence[Bundle]) -> dict[str, Any]:
    """The metrics of the first run with mean, std, n, seeds and values over all of them.

    The runs have passed `check_schema`. The std is that of a sample (ddof 1), 0.0 for one run. Raises `ZooError` if
    a run was not measured on the test split, if runs differ in anything but train.seed, and if two have the same
    seed.
    """
    for run in runs:
        _check_measured(run)
    for run in runs[1:]:
        _check_alike(runs[0], run)
    merged = copy.deepcopy(runs[0].metrics)
    for metric, figures in merged["metrics"].items():
        values: list[float] = []
        seeds: list[int] = []
        for run in runs:
            of_run = run.metrics["metrics"][metric]
            values += of_run["values"]
            seeds += of_run["seeds"]
        if len(set(seeds)) < len(seeds):
            raise ZooError(f"the runs have the seeds {', '.join(map(str, seeds))}; give each seed once.")
        figures |= {"mean": fmean(values), "std": spread(values), "n": len(values), "seeds": seeds, "values": values}
    return merged


def _check_measured(run: Bundle) -> None:
    split = run.metrics["split"]
    if split != "test":
        raise ZooError(
            f"{run.folder} held out a part of the training split and was measured on {split!r}, not on 'test'; "
            "train it with data.validation=0, or let it choose its epoch there (train.keep_best=true), to publish it."
        )


def _check_alike(first: Bundle, other: Bundle) -> None:
    left, right = _identity(first), _identity(other)
    for key, ours, theirs in differences(left, right):
        if key == "recipe.train.seed":
            continue
        raise ZooError(
            f"{first.folder} and {other.folder} differ in {key} ({ours!r} and {theirs!r}), but only train.seed may "
            "differ; publish them as two weights."
        )


def _identity(run: Bundle) -> dict[str, Any]:
    """What runs of one recipe must have in common: everything except the seed."""
    from zoo.integrity import sha256

    return {
        "recipe": recipe_of(run).model_dump(),
        "config": run.config,
        "data": run.metrics.get("data"),
        "metrics": sorted(run.metrics["metrics"]),
        "tokenizer": run.tokenizer and sha256(run.tokenizer),
    }
