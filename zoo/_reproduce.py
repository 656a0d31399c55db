"""Measure a weight again: its metrics (`evaluate`), its bytes (`verify`), its recipe (`reproduce`)."""

from __future__ import annotations

import json
import math
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import deserialize

from zoo import data, sources, tasks
from zoo.bundles.format import Bundle
from zoo.bundles.index import TENSORS
from zoo.bundles.load import load_model
from zoo.check import check_config, check_figures, check_parameters, check_schema, spread
from zoo.environment import environment
from zoo.errors import ZooError, whole
from zoo.publishing.provenance import recipe_of
from zoo.recipes import Recipe, load_recipe
from zoo.sources.finding import fetched, locate
from zoo.training import Run, train
from zoo.training.jobs import train_all
from zoo.training.measure import measure

SAME_PLATFORM = 1e-4
"""How far a metric of the same bytes may lie from the published one, here and with the kernels of another platform."""
OTHER_PLATFORM = 1e-3


def evaluate(
    name_or_run: str | os.PathLike[str] | Run, *, device: torch.device | str | None = None
) -> dict[str, float]:
    """Metrics of a weight, a bundle folder or a finished run on its recipe's test split: metric -> value.

    Downloads the data set where it is not at hand. Raises `ZooError` for an unknown name, an unfinished run, and data
    that are nowhere to be had.
    """
    return _evaluate(_bundle(name_or_run), device)


def _bundle(name_or_run: str | os.PathLike[str] | Run) -> Bundle:
    return sources.find(name_or_run.folder.absolute() if isinstance(name_or_run, Run) else name_or_run)


def _evaluate(bundle: Bundle, device: torch.device | str | None = None) -> dict[str, float]:
    check_config(bundle)
    recipe, model = load_recipe(bundle.path("recipe.yaml")), load_model(bundle, device=device)
    test = data.load(recipe.data.name).test
    return measure(model, test, bundle.config, tokenizer=bundle.tokenizer, batch_size=recipe.evaluate.batch_size)


@dataclass(frozen=True)
class Verification:
    """What `verify` found; `checks` maps each check that was made to whether it passed, `message` is one sentence."""

    weight: str
    ok: bool
    checks: dict[str, bool]
    message: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def verify(name: str | os.PathLike[str]) -> Verification:
    """Check a weight: hashes, schema of its JSON and recipe, parameter count, and with the data at hand its metrics.

    The published metrics must come out again to 1e-4 on the platform they were measured on, to 1e-3 on another. Nothing
    is downloaded for it but the weight. Raises `ZooError` only where there is no such weight; a failure is reported,
    a missing file too. Data that are absent or damaged say nothing of a weight: its metrics are then not measured, and
    the message says so.
    """
    found = locate(name)
    weight = found.resolve().name if isinstance(found, Path) else found[1].name
    checks: dict[str, bool] = {}
    said = None
    try:
        bundle = fetched(found)
    except ZooError as error:
        return Verification(weight, False, {"hashes": False}, str(error))
    for check in (_hashes, _schema, _parameters, _metrics):
        name_of_check = check.__name__[1:]
        try:
            said = check(bundle)
        except Exception as error:  # a doctored bundle may make anything fail, and that is the finding
            other = f"{bundle.folder} fails the check of its {name_of_check} ({error!r}); publish the weight anew."
            message = str(error) if isinstance(error, ZooError) else other
            return Verification(weight, False, {**checks, name_of_check: False}, message)
        if said is None:
            checks[name_of_check] = True
    message = said or "all checks passed."
    if bundle.entry is None:
        message = f"{message[:-1]}; no index vouches for the bundle, so only the hash of {TENSORS} was checked."
    return Verification(weight, True, checks, message)


def _hashes(bundle: Bundle) -> None:
    for file in bundle.entry.files if bundle.entry else (TENSORS,):
        bundle.path(file)


def _schema(bundle: Bundle) -> None:
    recipe_of(bundle)
    check_schema(bundle)
    if bundle.entry is not None:
        bundle.path("README.md")  # a run has none yet
    tasks.get(bundle.config["task"])


def _parameters(bundle: Bundle) -> None:
    check_parameters(bundle)


def _metrics(bundle: Bundle) -> str | None:
    """None where the metrics came out again, a sentence where they could not be measured."""
    name = load_recipe(bundle.path("recipe.yaml")).data.name
    if not data.at_hand(name):
        return f"metrics were not measured: {name} is not at hand (`zoo data get {name}` fetches it)."
    try:
        fingerprint = data.load(name).fingerprint
    except ZooError as error:  # it says nothing of the weight
        return f"metrics were not measured: {error}"
    if fingerprint != bundle.metrics["data"]["fingerprint"]:
        raise ZooError(f"{name} at hand has another fingerprint than the data that the metrics were measured on.")
    if bundle.metrics["split"] != "test":
        return "metrics were not measured: this run held out a part of its training data."
    here, there = environment(), bundle.metrics["environment"]
    same = all(here[key] == there.get(key) for key in ("platform", "cpu", "torch"))
    tolerance = SAME_PLATFORM if same else OTHER_PLATFORM
    measured = _evaluate(bundle, "cpu")
    for name, figures in bundle.metrics["metrics"].items():
        value, said = measured.get(name, math.nan), figures["value"]
        if not abs(value - said) <= tolerance + 1e-9:
            raise ZooError(f"{name} is {value}, but {said} is published for these bytes (tolerance {tolerance}).")
    return None


@dataclass(frozen=True)
class Reproduction:
    """What `reproduce` found. `identical` says whether the first seed's run gave the shipped tensors, bit for bit."""

    weight: str
    metric: str
    published: dict[str, Any]
    measured: dict[str, Any]
    tolerance: float
    verdict: str
    identical: bool
    seconds: float
    environment: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def reproduce(
    name: str | os.PathLike[str],
    *,
    seeds: int | None = None,
    device: torch.device | str | None = None,
    out: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
) -> Reproduction:
    """Train a weight again from its own recipe and compare with its own numbers.

    Args:
        name: a weight, a model (its default weight), or a bundle folder.
        seeds: how many; the published ones in their order, then the next integers. One by default, as one is what a
            first look can wait for.
        device: as for `zoo.train`.
        out: a folder to keep the runs and `reproduce.json` in; without it the runs are dropped afterwards. Runs that
            are there already are resumed.
        jobs: train so many seeds at a time, each in a process of its own; in this process, one after another, where it
            is left out.
        cluster: "slurm" to train them as jobs of a cluster, "local" for submitit's processes on this machine.

    The verdict is *reproduced* where the means differ by at most the tolerance: three standard errors of that
    difference, 3 std sqrt(1/n + 1/k) for n published and k measured seeds, and never less than the recipe's
    `evaluate.tolerance`. Raises `ZooError` as `zoo.train` does, and for a bundle without figures to compare with.
    """
    bundle = sources.find(name)
    recipe, shipped = recipe_of(bundle), bundle.tensors
    check_figures(bundle)
    metric = recipe.evaluate.metric
    if metric not in bundle.metrics["metrics"]:
        raise ZooError(
            f"{bundle.folder / 'metrics.json'} has no {metric}, the recipe's metric; publish the weight anew."
        )
    published = bundle.metrics["metrics"][metric]
    chosen = _seeds(published["seeds"], 1 if seeds is None else seeds)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(os.path.expanduser(out)) if out is not None else Path(scratch)
        folders = {seed: folder / f"seed{seed}" for seed in chosen}
        if jobs is None and cluster is None:
            runs = [_rerun(recipe, seed, place, device) for seed, place in folders.items()]
        else:
            named = None if device is None else str(device)
            runs = train_all(bundle.folder, folders, jobs=jobs or 1, device=named, cluster=cluster)
        values = [run.metrics[metric] for run in runs]
        used = [json.loads((run.folder / "metrics.json").read_text(encoding="utf-8")) for run in runs]
        # From the values themselves: a spread that was only claimed could make any rerun a reproduction.
        tolerance = allowed(
            recipe.evaluate.tolerance, spread(published["values"]), len(published["values"]), len(values)
        )
        mean = statistics.fmean(values)
        report = Reproduction(
            weight=bundle.name or bundle.folder.name,
            metric=metric,
            published={key: published[key] for key in ("mean", "std", "n")},
            measured={
                "mean": mean,
                "std": spread(values),
                "values": values,
                "seeds": chosen,
            },
            tolerance=tolerance,
            verdict="reproduced" if abs(mean - published["mean"]) <= tolerance + 1e-12 else "not reproduced",
            identical=_tensors(runs[0].folder / TENSORS) == _tensors(shipped),
            seconds=round(time.monotonic() - started, 1),
            environment=used[0]["environment"],
        )
        if out is not None:
            (folder / "reproduce.json").write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
    return report


def _tensors(path: Path) -> dict[str, Any]:
    """Name -> dtype, shape and bytes, without the file's head: the recipe it names grows with the zoo's defaults."""
    return dict(deserialize(path.read_bytes()))


def allowed(least: float, std: float, n: int, k: int) -> float:
    """How far means of `k` seeds and of the `n` published may differ: three standard errors, `least` at the least."""
    return max(least, 3 * std * math.sqrt(1 / n + 1 / k))


def _seeds(published: list[int], count: int) -> list[int]:
    found = whole(count)
    if found is None or found < 1:
        raise ZooError(f"seeds is {count!r}; give 1 or more.")
    count = found
    further = (seed for seed in range(count + len(published)) if seed not in published)
    return [*published, *further][:count]


def _rerun(recipe: Recipe, seed: int, folder: Path, device: torch.device | str | None) -> Run:
    changes: dict[str, Any] = {"train.seed": seed}
    return train(recipe, out=folder, resume=folder.exists(), device=device, **changes)
