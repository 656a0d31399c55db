"""The address of the user's own data -> a data set, and what a recipe keeps of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo.data import imagefolder
from zoo.data.own import memory, places, rows
from zoo.data.own.reading import give_back
from zoo.data.split import DataSet
from zoo.errors import ZooError
from zoo.home import expanded

READERS = ("text", "table", "image", "series", "tagged", "characters")
"""The kinds of data that can be read from files: one module of this package each."""


@dataclass(frozen=True)
class Own:
    """A data set of the user's own.

    section: what `data` of a recipe keeps of it: name, files (SHA-256 and size), columns, split. told: sentences for
    the user. root: where it lies, None if in memory.
    """

    data: DataSet
    section: dict[str, Any]
    told: list[str]
    root: Path | None


def load(
    name: str,
    kind: str,
    classes: bool,
    *,
    columns: Mapping[str, Any] | None = None,
    split: Mapping[str, Any] | None = None,
    files: places.Files | None = None,
    place: Any = None,
    model: Mapping[str, Any] | None = None,
) -> Own:
    """Read the data that `name` stands for.

    Args:
        name: `file:PATH`, `imagefolder:PATH`, `hf:OWNER/NAME[@REVISION]`, or `memory:NAME` for an object.
        kind, classes: of the data that the model reads, and whether their targets are classes.
        columns, split: `data.columns` and `data.split` of the recipe, without keys that are not given.
        files: the hashes that a recipe has pinned; None to pin those at hand.
        place: where the data lie (a path), or the object in memory; by default the path in `name`, the place where
            the zoo last saw these files, or ZOO_DATA.
        model: the config.json of a weight to measure on all rows; then nothing is split or learned.

    Raises `ZooError` for data that are not found or differ from the pinned ones, and as the kind's reader does.
    """
    if kind not in READERS:
        raise ZooError(f"data.name: {name} is for {', '.join(READERS)} data, but the model reads {kind} data.")
    asked = rows.Asked(places.public(name), classes, dict(columns or {}), dict(split or {}), model)
    place = places.given() if place is None else place
    prefix, rest = places.split_name(name)
    if prefix == "memory":
        return _in_memory(kind, asked, files, place)
    if prefix == "hf" and place is None:
        root = imagefolder.from_hub(rest)
        asked = rows.Asked(_with_revision(name, root), classes, asked.columns, asked.split, model)
    else:
        root = _root(name, files, place)
    if prefix == "imagefolder" or (kind == "image" and root.is_dir() and not lists(root)):
        return _pictures(root, asked, files)
    found = places.parts_of(root)
    known = places.pinned(root, found)
    if files and {key: dict(value) for key, value in files.items()} != known and not places.holds(root, files):
        changed = [key for key in {**files, **known} if dict(files.get(key, {})) != known.get(key)]
        raise ZooError(
            f"the data at {root} are not those of the recipe ({changed[0]} has another SHA-256); bring the old files "
            "back, or start a new run without data.files."
        )
    loaded = import_module(f"zoo.data.own.{kind}").load(found, asked)
    give_back()
    pinned = dict(files) if files else known
    if model is None:
        places.remember(asked.address, pinned, root)
    data = replace(loaded.data, note=_note(loaded.split))
    return Own(data, _section(asked.address, pinned, loaded), loaded.told, root)


def _note(split: Mapping[str, Any]) -> str:
    """A sentence for a weight's card on how the test split was made; "" if the test split has its own files."""
    by, test, column = (split.get(key) for key in ("by", "test", "column"))
    how = {
        "random": f"{test} of the rows, drawn at random",
        "stratify": f"{test} of the rows of each class, drawn at random",
        "group": f"{test} of the rows, in whole groups by {column}",
        "time": f"the last {test} in time",
        "column": f"the rows that {column} names",
    }
    return f"The test split is {how[by]}." if by in how else ""


def _section(address: str, files: Mapping[str, Any], loaded: rows.Loaded) -> dict[str, Any]:
    columns = {key: value for key, value in loaded.columns.items() if value is not None}
    split = {key: value for key, value in loaded.split.items() if value is not None}
    return {
        "name": address,
        "files": {key: dict(value) for key, value in files.items()},
        **({"columns": columns} if columns else {}),
        **({"split": split} if split else {}),
    }


def _root(name: str, files: places.Files | None, place: Any) -> Path:
    _, rest = places.split_name(name)
    if place is not None:
        if not isinstance(place, (str, os.PathLike)):
            raise ZooError(f"data is {type(place).__name__}, but the recipe's data are {name}; give a path.")
        return expanded(place)
    if files:
        if root := places.found(places.public(name), files):
            return root
        raise ZooError(
            f"the data {places.public(name)} were not found on this machine; say where they lie with "
            "--data PATH (data= in Python), or put them under ZOO_DATA."
        )
    if not rest:
        raise ZooError(f"data.name is {name!r}; give a path after it, as in file:reviews.csv.")
    return expanded(rest)


def lists(root: Path) -> bool:
    """Whether a folder has train and test files that list its pictures."""
    from zoo.data.own.reading import format_of

    return any(format_of(path) not in (None, "parquet") for path in root.iterdir() if path.is_file())


def _with_revision(name: str, root: Path) -> str:
    """The address with the commit from the Hub, after which its cache names the folder."""
    base = name.partition("@")[0]
    return f"{base}@{root.name}" if len(root.name) == 40 else name


def _pictures(root: Path, asked: rows.Asked, files: places.Files | None) -> Own:
    if asked.columns:
        raise ZooError("data.columns is for files, but the data are a folder of pictures; leave it out.")
    data = imagefolder.load_at(root, asked.address, dict(asked.split), labels=(asked.model or {}).get("labels"))
    known = {"pictures": {"sha256": data.fingerprint, "size": len(data.train) + len(data.test)}}
    if files and asked.model is None and dict(files["pictures"]) != known["pictures"]:
        raise ZooError(
            f"the pictures at {root} are not those of the recipe (another SHA-256); bring the old ones back, or start "
            "a new run without data.files."
        )
    if asked.model is None:
        places.remember(asked.address, known, root)
    section: dict[str, Any] = {"name": asked.address, "files": known}
    if asked.split:
        section["split"] = {key: value for key, value in asked.split.items() if value is not None}
    told = [f"{len(data.train):,} pictures to train on, {len(data.test):,} to test on, {len(data.labels)} classes."]
    return Own(data, section, told, root)


def _in_memory(kind: str, asked: rows.Asked, files: places.Files | None, place: Any) -> Own:
    if place is None:
        raise ZooError(
            f"the data {asked.address} were in a program's memory, and are not here; give them with data= in Python."
        )
    loaded = memory.load(kind, asked, place)
    known = {"memory": {"sha256": loaded.data.fingerprint, "size": len(loaded.data.train) + len(loaded.data.test)}}
    if files and asked.model is None and {key: dict(value) for key, value in files.items()} != known:
        raise ZooError("the data given are not those of the recipe (another SHA-256); give the same data again.")
    return Own(loaded.data, _section(asked.address, known, loaded), loaded.told, None)
