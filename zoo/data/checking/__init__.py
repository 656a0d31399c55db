"""`zoo data check`: what a data set holds and what is wrong with it, before a model is trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.data.checking.findings import Finding, found
from zoo.data.checking.guessing import kind_of
from zoo.data.split import DataSet
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.tasks import Task

__all__ = ["Check", "Finding", "check", "of", "worst"]


@dataclass(frozen=True)
class Check:
    """The result of `check`. `ok` is true if there are no findings.

    Attributes:
        address: the data set's name, or the given address.
        kind: of data: text, table, image, series, tagged or characters.
        rows: examples in all parts; for a series its steps, for a text its characters.
        columns: name -> type, in words ("text", "numbers", "categories", "dates", "target", "left out: a reason").
        labels: class -> how many examples; none if the target is a number.
        findings: what is wrong, worst first, each with a count and a sentence with up to three examples.
        told: sentences on how the data were read.
    """

    address: str
    kind: str
    rows: int
    columns: dict[str, str]
    labels: dict[str, int]
    ok: bool
    findings: list[Finding]
    told: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def check(address: str, settings: Mapping[str, Any] | None = None, *, task: Task | None = None) -> Check:
    """Read a data set and look for faults that spoil a training or a figure.

    Args:
        address: a data set of the zoo, `file:PATH`, `imagefolder:PATH`, `hf:OWNER/NAME`, or a path.
        settings: key paths of a recipe -> values, such as {"data.columns.text": "review", "data.split.by": "group"}.
        task: that of the model that will read the data, if their kind is not clear from the files.

    Data that cannot be read give one finding, `readable`. Raises `ZooError` if there are no such data, and for
    settings that a recipe does not have.
    """
    from zoo import data
    from zoo.data.own import loading, places

    settings = dict(settings or {})
    if address in data.names():
        whole = data.load(address)
        return of(whole, address, _columns(whole, {}, []), [])
    name = address if places.is_one(address) else f"file:{address}"
    kind, classes = kind_of(name, settings) if task is None else (task.kind, task.classes)
    columns, split = (_section(settings, f"data.{part}.") for part in ("columns", "split"))
    try:
        own = loading.load(name, kind, classes, columns=columns, split=split)
    except ZooError as error:
        if not places.is_there(name):
            raise
        return Check(places.public(name), kind, 0, {}, {}, False, [Finding("readable", 1, str(error))])
    kept = own.section.get("columns") or {}
    return of(own.data, places.public(name), _columns(own.data, kept, own.told), own.told)


def of(whole: DataSet, address: str, columns: Mapping[str, str], told: list[str]) -> Check:
    """The check of a data set that is in memory."""
    parts = [part for part in (whole.train, whole.validation, whole.test) if part is not None]
    labels: dict[str, int] = {}
    if whole.labels and whole.kind != "characters":
        for part in parts:
            for target in part.targets.flatten().tolist():
                if 0 <= target < len(whole.labels):
                    label = whole.labels[target]
                    labels[label] = labels.get(label, 0) + 1
        labels = {label: labels.get(label, 0) for label in whole.labels}
    findings = found(whole, labels)
    return Check(address, whole.kind, sum(map(len, parts)), dict(columns), labels, not findings, findings, list(told))


def worst(whole: DataSet) -> list[str]:
    """The worst finding as a sentence for the user; nothing if there are no findings."""
    findings = of(whole, whole.name, {}, []).findings
    more = f" (and {len(findings) - 1} more: zoo data check)" if len(findings) > 1 else ""
    return [f"warning: {findings[0].message}{more}"] if findings else []


def _section(settings: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The settings below a key path; with a list for every setting that is a list in a recipe."""
    several = ("text", "numbers", "categories", "ignore")
    chosen = {key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)}
    return {key: [value] if key in several and isinstance(value, str) else value for key, value in chosen.items()}


def _columns(whole: DataSet, kept: Mapping[str, Any], told: list[str]) -> dict[str, str]:
    """Name -> type: for a file's columns as the recipe keeps them, or for a built-in table or series."""
    types: dict[str, str] = {}
    for kind in ("text", "image", "numbers", "categories", "dates", "target", "weight", "id", "time", "value"):
        value = kept.get(kind)
        for name in [value] if isinstance(value, str) else value or []:
            types.setdefault(str(name), kind)
    if not kept and whole.table is not None:
        types |= dict.fromkeys(whole.table.numbers, "numbers") | dict.fromkeys(whole.table.categories, "categories")
    if not kept:
        types |= dict.fromkeys(whole.channels, "numbers")
    for line in told:
        if line.startswith("left out: "):
            name, _, reason = line.removeprefix("left out: ").removesuffix(".").partition(": ")
            types[name] = f"left out: {reason}"
    return types
