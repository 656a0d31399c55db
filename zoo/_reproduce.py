"""Train a weight again from its recipe, and compare with its published figures."""

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

from zoo import caller, display, sources
from zoo._evaluate import metrics_of, metrics_on
from zoo._verify import tolerance_of
from zoo.bundles.format import Bundle
from zoo.bundles.index import TENSORS
from zoo.check import check_figures, spread
from zoo.compare import (
    MOST_SEEDS,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
    Comparison,
    compare,
    expected_spread,
    margin_of,
    spent,
)
from zoo.data import Split
from zoo.data.own import places
from zoo.data.split import IGNORED
from zoo.errors import ZooError, whole
from zoo.home import expanded
from zoo.opened import Opened
from zoo.recipes import Recipe
from zoo.recipes.of_bundle import check_begins, recipe_of, trusting
from zoo.tasks import measures
from zoo.training import Run, train
from zoo.training.jobs import train_all


@dataclass(frozen=True)
class Reproduction:
    """What `reproduce` found.

    Attributes:
        published, measured: mean and std over seeds, and n, or values and seeds.
        margin: the smallest difference that matters, in the metric's unit.
        interval: of the difference measured − published, at `level`; None if nothing is known about the spread.
        verdict: "reproduced", "not reproduced" or "undecided".
        more_seeds: how many further seeds would probably decide, 0 if decided; see `zoo.compare`.
        detectable: the true difference that this comparison would have found with a probability of 80 %.
        identical: whether the first seed's run gave the shipped tensors, bit for bit.
        message: the verdict and its reasons, as sentences.
        begins_from: the weight or file that the recipe begins from, None if it begins from random tensors.
        sha256, recipe_sha256: of the shipped tensors' file and of the recipe; reports with equal ones can be added up.

        >>> zoo.reproduce("mlp.digits_v1", until_decided=True).verdict
        'reproduced'
    """

    weight: str
    metric: str
    published: dict[str, Any]
    measured: dict[str, Any]
    margin: float
    interval: tuple[float, float] | None
    level: float
    verdict: str
    more_seeds: int
    detectable: float | None
    identical: bool
    message: str
    begins_from: str | None
    seconds: float
    environment: dict[str, Any]
    sha256: str
    recipe_sha256: str

    def to_dict(self) -> dict[str, Any]:
        content = asdict(self)
        return {**content, "interval": None if self.interval is None else list(self.interval)}

    def _repr_html_(self) -> str:
        return display.answer(f"{self.weight}: {self.verdict}", self.to_dict())


@dataclass(frozen=True)
class _Claim:
    """A bundle's claims about its figure, and those of them that were measured here before training.

    `shipped` is the metric of the shipped bytes, `start` that of the weight from which the recipe begins, if any.
    Both are None if the figure is not of the test split, because then neither can be compared.
    """

    task: str
    metric: str
    published: dict[str, Any]
    values: list[float]
    seeds: list[int]
    more_is_better: bool
    margin: float
    about_margin: str
    expected: float | None
    begins_from: str | None
    shipped: float | None
    start: float | None
    tolerance: float


@caller.own()
def reproduce(
    name: str | os.PathLike[str],
    *,
    seeds: int | None = None,
    until_decided: bool = False,
    minutes: float = 10.0,
    data: Any = None,
    device: torch.device | str | None = None,
    out: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    trust: bool = False,
) -> Reproduction:
    """Train a weight again from its own recipe and compare with its own numbers.

    Args:
        name: a weight, a model (its default weight), or a bundle folder.
        seeds: how many; the published ones in their order, then the next integers. By default one, which is enough
            for a first look; with `until_decided` at most as many as were published.
        until_decided: train seed after seed and stop as soon as the verdict is clear. Every look costs: the interval of
            each is wider than that of a single one, so that all together err no more often (`zoo.compare.spent`).
        minutes: with `until_decided`, start no further seed after this many minutes.
        data: for a weight trained on your own data, where they lie: a path, or the object; by default where the zoo
            last saw them, or under ZOO_DATA.
        device: as for `zoo.train`.
        out: a folder in which to keep the runs and the report, `reproduce.json`; without it the runs are deleted
            afterwards. Runs that it holds already are resumed. `zoo report` adds reports up.
        jobs: the number of seeds to train at the same time, each in its own process; by default they are trained
            one after another in this process.
        cluster: "slurm" to train them as jobs of a cluster, "local" for submitit's processes on this machine.

        trust: let the recipe read the files and addresses that it names itself, for its data or to begin from; without
            it they are refused, because a stranger's recipe could read anything.

    The verdict follows from a confidence interval and a margin; `zoo.compare` says how. A run whose tensors are the
    shipped ones, bit for bit, is *reproduced* at once. A bundle's claims are measured here first: figures that its
    own bytes do not reach, and a recipe that begins from its own result, are *not reproduced*, whatever the interval
    says.

    Raises `ZooError` as `zoo.train` does, for a bundle without figures to compare with, for data other than those that
    the figures were measured on, and for measured values that are not finite.

        >>> zoo.reproduce("mlp.digits_v1", seeds=2).measured["seeds"]
        [0, 1]
    """
    bundle = sources.find(name)
    with places.at(data), trusting(trust):
        check_begins(recipe_of(bundle), bundle.folder.name)
        return _reproduce(bundle, seeds, until_decided, minutes, device, out, jobs, cluster)


def _reproduce(
    bundle: Bundle,
    seeds: int | None,
    until_decided: bool,
    minutes: float,
    device: torch.device | str | None,
    out: str | os.PathLike[str] | None,
    jobs: int | None,
    cluster: str | None,
) -> Reproduction:
    claim = _claim(bundle, device)
    recipe = recipe_of(bundle)
    bundle.tensors  # noqa: B018  raises now, and not after the training, if they are damaged
    bound = len(claim.seeds) if seeds is None and until_decided else 1 if seeds is None else seeds
    chosen = _seeds(claim.seeds, bound)
    if not minutes > 0:
        raise ZooError(f"minutes is {minutes!r}; give a number above 0.")
    step = (jobs or 1) if until_decided else len(chosen)
    groups = [chosen[start : start + step] for start in range(0, len(chosen), step)]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = expanded(out) if out is not None else Path(scratch)
        runs: list[Run] = []
        for look, group in enumerate(groups, 1):
            runs += _train(bundle, recipe, {seed: folder / f"seed{seed}" for seed in group}, device, jobs, cluster)
            values = [run.metrics[claim.metric] for run in runs]
            found = compare(
                claim.values, values, margin=claim.margin, expected=claim.expected, error=spent(look, len(groups))
            )
            identical = _tensors(runs[0].folder / TENSORS, TENSORS) == bundle.read_tensors(_tensors)
            verdict, reasons = _judge(claim, found, values, identical)
            if verdict != UNDECIDED or time.monotonic() - started > 60 * minutes:
                break
        used = json.loads((runs[0].folder / "metrics.json").read_text(encoding="utf-8"))
        weight = bundle.name or bundle.folder.name
        report = Reproduction(
            weight=weight,
            metric=claim.metric,
            published=claim.published,
            measured={
                "mean": statistics.fmean(values),
                "std": spread(values),
                "values": values,
                "seeds": chosen[: len(values)],
            },
            margin=claim.margin,
            interval=found.interval,
            level=found.level,
            verdict=verdict,
            more_seeds=found.more_seeds if verdict == UNDECIDED else 0,
            detectable=found.detectable,
            identical=identical,
            message=" ".join([f"{weight}: {verdict}.", *reasons]),
            begins_from=claim.begins_from,
            seconds=round(time.monotonic() - started, 1),
            environment=used["environment"],
            sha256=str(bundle.metrics.get("sha256", "")),
            recipe_sha256=str(bundle.metrics.get("recipe_sha256", "")),
        )
        if out is not None:
            text = json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"
            (folder / "reproduce.json").write_text(text, encoding="utf-8")
    return report


def _claim(bundle: Bundle, device: torch.device | str | None) -> _Claim:
    opened = Opened(bundle, device)
    recipe, known = opened.recipe, measures.of(opened.task, bundle.config["input"])
    check_figures(bundle)
    metric = recipe.evaluate.metric
    if metric not in bundle.metrics["metrics"]:
        raise ZooError(
            f"{bundle.folder / 'metrics.json'} has no {metric}, the recipe's metric; publish the weight again."
        )
    figures = bundle.metrics["metrics"][metric]
    if opened.data.fingerprint != bundle.metrics["data"]["fingerprint"]:
        raise ZooError(
            f"{recipe.data.name} on this machine is not the data that {bundle.folder} was measured on (another "
            "fingerprint), so nothing can be compared; bring the measured data."
        )
    on_test = bundle.metrics["split"] == "test"
    shipped = metrics_of(opened)[metric] if on_test else None
    value = figures["value"] if shipped is None else shipped
    samples = samples_of(opened.data.test) if on_test else None
    margin, about = margin_of(metric, recipe.evaluate.margin, value, samples, known)
    return _Claim(
        task=bundle.config["task"],
        metric=metric,
        published={key: figures[key] for key in ("mean", "std", "n")},
        values=figures["values"],
        seeds=figures["seeds"],
        more_is_better=known[metric].more_is_better,
        margin=margin,
        about_margin=about,
        expected=expected_spread(known[metric], value, samples),
        begins_from=recipe.init_from,
        shipped=shipped,
        start=_start(opened, metric) if on_test and recipe.init_from else None,
        tolerance=tolerance_of(bundle),
    )


def samples_of(test: Split) -> int:
    """The number of samples (for tagged text, words) in a test split, for a share of right answers."""
    targets = test.targets
    return int((targets != IGNORED).sum()) if targets.ndim == 2 and not targets.is_floating_point() else len(targets)


def _start(opened: Opened, metric: str) -> float:
    """The metric of the weight from which the recipe begins, before the first step."""
    from zoo.training.setup import fresh_model

    model = fresh_model(opened.recipe, opened.bundle.config, torch.device("cpu"))
    return metrics_on(opened, model, opened.data.test)[metric]


def _judge(claim: _Claim, found: Comparison, values: list[float], identical: bool) -> tuple[str, list[str]]:
    """The verdict, and its reasons as sentences. A figure that is only claimed can never make it *reproduced*."""
    show = measures.find(claim.task, claim.metric).show
    mean = statistics.fmean(claim.values)
    reasons = [
        f"{claim.metric} is {show(statistics.fmean(values))} over {_count(len(values), 'seed')} here and {show(mean)} "
        f"over {len(claim.values)} as published; differences below {show(claim.margin)} do not matter."
    ]
    if claim.about_margin:
        reasons.append(f"Of the margin: {claim.about_margin}.")
    if claim.begins_from:
        at = "" if claim.start is None else f", which measures {show(claim.start)} before any training"
        reasons.append(f"It begins from {claim.begins_from}{at}.")
    if not math.isclose(claim.published["mean"], mean, abs_tol=1e-9):
        said = f"The published mean, {show(claim.published['mean'])}, is not that of the published values."
        return NOT_REPRODUCED, [*reasons, said]
    if claim.shipped is not None and not abs(claim.shipped - claim.values[0]) <= claim.tolerance + 1e-9:
        said = f"The shipped bytes measure {show(claim.shipped)}, and not {show(claim.values[0])} as published."
        return NOT_REPRODUCED, [*reasons, said]
    if claim.start is not None and (claim.start - mean) * (1 if claim.more_is_better else -1) > -claim.margin:
        return NOT_REPRODUCED, [
            *reasons,
            "That has the published figure already: the recipe begins from its own result and does not grow it.",
        ]
    if found.verdict == NOT_REPRODUCED:
        better = (found.difference > 0) == claim.more_is_better
        return NOT_REPRODUCED, [*reasons, f"It is {'better' if better else 'worse'} by more than that."]
    if identical and abs(values[0] - mean) <= claim.margin:
        seed = claim.seeds[0] if claim.seeds else 0
        return REPRODUCED, [*reasons, f"The tensors of seed {seed} are the shipped ones, bit for bit."]
    if identical:
        reasons.append("The first seed gives the shipped tensors, bit for bit, but the published mean is another.")
    if found.detectable is not None:
        reasons.append(f"A difference of {show(found.detectable)} would have shown with a chance of 4 in 5.")
    if found.verdict == UNDECIDED:
        reasons.append(_advice(found.more_seeds))
    return found.verdict, reasons


def _advice(more: int) -> str:
    if more >= MOST_SEEDS:
        return "No number of further seeds here would decide it: publish the weight with more seeds, or a wider margin."
    return f"About {_count(more, 'further seed')} would probably decide it (--seeds, --until-decided)."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _train(
    bundle: Bundle,
    recipe: Recipe,
    folders: dict[int, Path],
    device: torch.device | str | None,
    jobs: int | None,
    cluster: str | None,
) -> list[Run]:
    if jobs is None and cluster is None:
        return [_rerun(recipe, seed, place, device) for seed, place in folders.items()]
    named = None if device is None else str(device)
    return train_all(bundle.folder, folders, jobs=jobs or 1, device=named, cluster=cluster)


def _tensors(path: Path, file: str) -> dict[str, Any]:
    """Name -> dtype, shape and bytes, without the file's head: the recipe it names grows with the zoo's defaults."""
    return dict(deserialize(path.read_bytes()))


def _seeds(published: list[int], count: int) -> list[int]:
    found = whole(count)
    if found is None or found < 1:
        raise ZooError(f"seeds is {count!r}; give 1 or more.")
    count = found
    further = (seed for seed in range(count + len(published)) if seed not in published)
    return [*published, *further][:count]


def _rerun(recipe: Recipe, seed: int, folder: Path, device: torch.device | str | None) -> Run:
    changes: dict[str, Any] = {"train.seed": seed}
    return train(recipe, out=folder, resume=folder.exists(), device=device, baseline=False, **changes)
