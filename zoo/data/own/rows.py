"""Shared by data sets of rows (texts, tables, listed pictures): from files to parts with inputs and targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.data import fingerprint
from zoo.data.own import parting, targets
from zoo.data.own.columns import numbers_of
from zoo.data.own.reading import Read, check_known
from zoo.data.split import DataSet, Split
from zoo.errors import ZooError

Files = Mapping[str, Any]
"""all, or train, test and validation -> the paths of its files, or a `Read` of data in memory."""


@dataclass(frozen=True)
class Asked:
    """A request to a reader.

    address: the data set's public name. classes: whether the targets are classes. columns, split: `data.columns` and
    `data.split` without keys that are not given. model: the `labels` and `input` of a weight to be measured on the
    data; then all rows (in a folder, those of its test files) are the test part, and nothing is learned from them.
    """

    address: str
    classes: bool
    columns: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Loaded:
    """A data set, the choices about it that a recipe keeps, and sentences on these choices for the user."""

    data: DataSet
    columns: dict[str, Any]
    split: dict[str, Any]
    told: list[str]


def reads_of(files: Files, asked: Asked, reader: Callable[[list[Path]], Read]) -> dict[str, Read]:
    """The files of each part, read; only the test part if a weight is measured."""
    if asked.model is not None:
        files = {"all": files.get("all") or files["test"]}
    return {part: paths if isinstance(paths, Read) else reader(paths) for part, paths in files.items()}


def extras(asked: Asked) -> list[str]:
    """The columns that say how to use a row; the model never reads them."""
    named = [asked.columns.get("weight"), asked.split.get("column")]
    return [name for name in named if name]


def splits(
    reads: Mapping[str, Read],
    asked: Asked,
    target: str,
    inputs: Callable[[Read], Tensor | list[str]],
    *,
    same: Callable[[Read, Tensor | list[str]], Tensor | None] = lambda read, inputs: None,
) -> tuple[Split, Split, Split | None, list[str], dict[str, Any], list[str]]:
    """(train, test, validation, labels, resolved data.split, sentences) of rows with a target.

    `inputs` makes the content of `Split.inputs`; `same` gives groups of equal rows, which `data.validation` keeps
    together.
    """
    labels: list[str] = list(asked.model["labels"]) if asked.model else []
    told: list[str] = []
    wholes: dict[str, Split] = {}
    for part in ("all", "train", "test", "validation"):
        if part not in reads:
            continue
        read = reads[part]
        check_known([target, *extras(asked)], read.table.column_names, read.name, "data.columns")
        found = inputs(read)
        if asked.classes:
            truth, labels = targets.classes(read, target, labels)
        else:
            truth = targets.values(read, target, learned=part in ("all", "train") and asked.model is None)
        groups = None
        if asked.split.get("by") == "group" and asked.split.get("column") and asked.model is None:
            groups = parting.groups_of(read, asked.split["column"])
        elif part != "all":
            groups = same(read, found)
        wholes[part] = Split(found, truth, groups, _weights(read, asked))
    if asked.model is not None:
        whole = wholes["all"]
        return whole.take([]), whole, None, labels, {}, told
    if "all" not in wholes:
        train, test, validation = wholes["train"], wholes["test"], wholes.get("validation")
        kept = {key: value for key, value in asked.split.items() if key != "test" and value}
        if kept and kept.get("by") != "group":
            raise ZooError("data.split is for one file, but there are train and test files; leave it out.")
        told.append(f"{len(train):,} rows to train on, {len(test):,} to test on, as the files say.")
        if asked.classes:
            parting.check_classes(train, test, labels, reads["test"])
        return train, test, validation, labels, kept, told
    chosen = parting.way(dict(asked.split), asked.classes)
    whole = wholes["all"]
    train, test, validation = parting.part(whole, reads["all"], chosen)
    if chosen["by"] != "group":
        # Equal rows may lie on both sides of a random split; `zoo data check` finds those.
        train = replace(train, groups=same(reads["all"], train.inputs))
    if asked.classes:
        parting.check_classes(train, test, labels, reads["all"])
    how = {"stratify": "of each class", "random": "of the rows", "group": f"by {chosen['column']}"}.get(chosen["by"])
    share = f"{chosen['test']:g} {how}" if how else f"by {chosen['column']}"
    told.append(f"{len(train):,} rows to train on, {len(test):,} to test on ({share}).")
    return train, test, validation, labels, chosen, told


def _weights(read: Read, asked: Asked) -> Tensor | None:
    name = asked.columns.get("weight")
    if not name or asked.model is not None:
        return None
    found = numbers_of(read, name, blanks=False, what="a weight")
    if (found < 0).any():
        row = int((found < 0).argmax())
        raise ZooError(f"{read.where(row)}: the weight {name} is {found[row]:g}; give 0 or more.")
    if not found.any():
        raise ZooError(f"{read.name}: the weight {name} is 0 in every row; give some rows a larger weight.")
    return torch.from_numpy(found.astype("float32"))


def data_set(
    asked: Asked, kind: str, train: Split, test: Split, validation: Split | None, labels: list[str], **more: Any
) -> DataSet:
    parts = [part for part in (train, test, validation) if part is not None]
    if "fingerprint" not in more:
        more["fingerprint"] = fingerprint.of(*parts)
    return DataSet(
        name=asked.address, kind=kind, labels=labels, train=train, test=test, validation=validation,
        **{"maximum": 1.0, **more},
    )  # fmt: skip
