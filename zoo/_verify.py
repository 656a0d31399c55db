"""Check a weight's facts about itself: its bytes, its JSON, its golden outputs, its metrics."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo import caller, display
from zoo._evaluate import metrics_of
from zoo.bundles.format import Bundle
from zoo.bundles.plugged import differing, require
from zoo.check import check_parameters, check_schema
from zoo.data.own import places
from zoo.environment import environment
from zoo.errors import ZooError
from zoo.opened import Opened
from zoo.recipes.of_bundle import trusting
from zoo.sources.finding import fetched, locate
from zoo.sources.trust import check_nothing_added
from zoo.training import own

ABSENT = ""
"""The result of a check that had nothing to check."""
SAME_PLATFORM = 1e-4
"""How far a metric of the same bytes may lie from the published one, here and with the kernels of another platform."""
OTHER_PLATFORM = 1e-3


@dataclass(frozen=True)
class Verification:
    """The result of `verify`; `checks` maps each check that was made to whether it passed, `message` is one sentence.

    >>> found = zoo.verify("mlp.digits_v1")
    >>> found.ok, sorted(found.checks)
    (True, ['golden', 'hashes', 'metrics', 'parameters', 'schema'])
    """

    weight: str
    ok: bool
    checks: dict[str, bool]
    message: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def _repr_html_(self) -> str:
        return display.answer(f"{self.weight}: {'ok' if self.ok else 'FAILED'}", self.to_dict())


@caller.own()
def verify(name: str | os.PathLike[str], *, data: Any = None, trust: bool = False) -> Verification:
    """Check a weight: hashes, schema of its JSON and recipe, parameter count, and its metrics if the data are at hand.

    The published metrics must come out again to 1e-4 on the platform they were measured on, to 1e-3 on another. Only
    the weight is downloaded. Raises `ZooError` only if there is no such weight; a failure is reported, even a missing
    file. If the data are absent or damaged, the metrics are not measured, and the message says so. `data` is where
    your own data lie, if the weight was trained on such. A recipe that names files or addresses of its own fails,
    unless `trust` lets it read them.

        >>> zoo.verify("mlp.digits_v1").ok
        True
    """
    with places.at(data), trusting(trust):
        return _verify(name)


def _verify(name: str | os.PathLike[str]) -> Verification:
    found = locate(name)
    weight = found.resolve().name if isinstance(found, Path) else found[1].name
    checks: dict[str, bool] = {}
    said = None
    try:
        bundle = fetched(found)
    except ZooError as error:
        return Verification(weight, False, {"hashes": False}, str(error))
    opened = Opened(bundle, "cpu")
    for name_of_check, check in CHECKS.items():
        try:
            said = check(opened)
        except Exception as error:  # a manipulated bundle may make anything fail, and that is the finding
            other = f"{bundle.folder} fails the check of its {name_of_check} ({error!r}); publish the weight again."
            message = str(error if isinstance(error, ZooError) else ZooError(other))
            return Verification(weight, False, {**checks, name_of_check: False}, message)
        if said is None:
            checks[name_of_check] = True
        if said == ABSENT:
            said = None
    message = said or "all checks passed."
    if bundle.entry is None:
        message = f"{message[:-1]}; no index vouches for the bundle, so only the hash of {bundle.whole} was checked."
    return Verification(weight, True, checks, message)


def _hashes(opened: Opened) -> None:
    bundle = opened.bundle
    bundle.tensors  # noqa: B018  raises if a file of them has other bytes
    for file in bundle.entry.files if bundle.entry else ():
        bundle.path(file)
    if bundle.entry and bundle.folder.name == bundle.name:
        check_nothing_added(bundle.folder, bundle.entry.files)


def _plug_ins(opened: Opened) -> str | None:
    """None if the parts from other packages are the same as in training, `ABSENT` if the bundle uses no such parts."""
    bundle = opened.bundle
    try:
        if "plug_ins" not in bundle.config:
            return ABSENT
    except ZooError:  # the check of the schema reports it
        return ABSENT
    require(bundle)
    for said in differing(bundle):
        raise ZooError(said)
    return None


def _schema(opened: Opened) -> None:
    if "imported" not in opened.bundle.metrics:
        opened.recipe  # noqa: B018  raises if it is not a recipe
    check_schema(opened.bundle)
    if opened.bundle.entry is not None:
        opened.bundle.path("README.md")  # a run has no card yet


def _parameters(opened: Opened) -> None:
    check_parameters(opened.bundle, opened.model)


def _golden(opened: Opened) -> str | None:
    """None if the golden input gets its outputs, `ABSENT` if the bundle has none."""
    from zoo import golden

    if not (opened.bundle.folder / golden.FILE).is_file():
        return ABSENT
    golden.check(opened.bundle, opened.model)
    return None


def check_metrics(opened: Opened) -> str | None:
    """None if the metrics came out again, a sentence if they could not be measured; an error if they differ."""
    if "imported" in opened.bundle.metrics:
        return "there are no metrics to measure again: the weight was imported."
    bundle, recipe = opened.bundle, opened.recipe
    name = recipe.data.name
    if not own.at_hand(recipe):
        how = f"`zoo data get {name}` fetches it" if recipe.data.files is None else "say where it lies with --data PATH"
        return f"metrics were not measured: {name} is not at hand ({how})."
    try:
        fingerprint = opened.data.fingerprint
    except ZooError as error:  # this says nothing about the weight
        return f"metrics were not measured: {error}"
    if fingerprint != bundle.metrics["data"]["fingerprint"]:
        raise ZooError(f"{name} at hand has another fingerprint than the data that the metrics were measured on.")
    if bundle.metrics["split"] != "test":
        return "metrics were not measured: this run held out a part of its training data."
    tolerance = tolerance_of(bundle)
    measured = metrics_of(opened)
    for name, figures in bundle.metrics["metrics"].items():
        value, said = measured.get(name, math.nan), figures["value"]
        if not abs(value - said) <= tolerance + 1e-9:
            raise ZooError(f"{name} is {value}, but {said} is published for these bytes (tolerance {tolerance}).")
    return None


def tolerance_of(bundle: Bundle) -> float:
    """How far a metric of the same bytes may lie from the published one on this machine."""
    here, there = environment(), bundle.metrics["environment"]
    same = all(here[key] == there.get(key) for key in ("platform", "cpu", "torch"))
    return SAME_PLATFORM if same else OTHER_PLATFORM


CHECKS: dict[str, Callable[[Opened], str | None]] = {
    "hashes": _hashes,
    "plug_ins": _plug_ins,
    "schema": _schema,
    "parameters": _parameters,
    "golden": _golden,
    "metrics": check_metrics,
}
"""The checks, in this order: each raises for a fault, and gives a sentence if it could not check."""
