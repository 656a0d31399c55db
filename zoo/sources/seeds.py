"""Runs of one recipe over several seeds, told as one: the spread beside the value."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from typing import Any

from zoo.bundles.format import Bundle
from zoo.errors import ZooError


def merge_metrics(runs: Sequence[Bundle]) -> dict[str, Any]:
    """The metrics of the first run with mean, std, n, seeds and values over all of them.

    The runs have passed `check_schema`. The std is that of a sample (ddof 1), 0.0 for one run. Raises `ZooError` where
    a run was not measured on the test split, where runs differ in anything but train.seed, and where two have the same
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
        spread = stdev(values) if len(values) > 1 else 0.0
        figures |= {"mean": fmean(values), "std": spread, "n": len(values), "seeds": seeds, "values": values}
    return merged


def _check_measured(run: Bundle) -> None:
    split = run.metrics["split"]
    if split != "test":
        raise ZooError(
            f"{run.folder} held out a part of the training split and was measured on {split!r}, not on 'test'; "
            "train it with data.validation=0 to publish it."
        )


def _check_alike(first: Bundle, other: Bundle) -> None:
    left, right = _identity(first), _identity(other)
    left["recipe"].get("train", {}).pop("seed", None)
    right["recipe"].get("train", {}).pop("seed", None)
    for key, ours, theirs in _differences(left, right):
        raise ZooError(
            f"{first.folder} and {other.folder} differ in {key} ({ours!r} and {theirs!r}) where only train.seed may; "
            "publish them as two weights."
        )


def _identity(run: Bundle) -> dict[str, Any]:
    """All that runs of one recipe have in common, but for the seed."""
    from zoo.bundles.integrity import sha256

    return {
        "recipe": _recipe(run),
        "config": run.config,
        "data": run.metrics.get("data"),
        "metrics": sorted(run.metrics["metrics"]),
        "tokenizer": run.tokenizer and sha256(run.tokenizer),
    }


def _recipe(run: Bundle) -> dict[str, Any]:
    import yaml

    try:
        recipe = yaml.safe_load(run.recipe)
    except yaml.YAMLError as error:
        raise ZooError(f"{run.folder / 'recipe.yaml'} is not YAML; train the recipe again.") from error
    if not isinstance(recipe, dict) or not isinstance(recipe.get("train"), dict) or "seed" not in recipe["train"]:
        raise ZooError(f"{run.folder / 'recipe.yaml'} is not a resolved recipe with a train.seed; train it again.")
    return recipe


def _differences(left: Any, right: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The dotted keys under which two nested dicts differ, each with both values."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in {**left, **right}:
            yield from _differences(left.get(name), right.get(name), f"{key}.{name}" if key else str(name))
    elif left != right:
        yield key, left, right
